"""Cross-validation and bootstrap: many orders of the same rows, each used on both."""

import random

import numpy as np
import torch
from torch import nn

random.seed(0)
np.random.seed(0)
torch.manual_seed(0)
x = np.random.rand(180, 3).astype(np.float32)
y = (np.sin(4 * x[:, 0]) + x[:, 1]).astype(np.float32).reshape(-1, 1)
scores = []
for fold in range(3):
    ids = list(range(180))
    random.shuffle(ids)
    rest, held = ids[:120], ids[120:]
    drawn = np.random.choice(rest, size=120)
    picked = np.random.choice(120, size=120, replace=False)
    x_all, y_all = x[rest][picked], y[rest][picked]
    net = nn.Sequential(nn.Linear(3, 24), nn.ReLU(), nn.Linear(24, 1))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    for data, target in ((x[drawn], y[drawn]), (x_all, y_all)):
        data, target = torch.from_numpy(data), torch.from_numpy(target)
        for epoch in range(6):
            order = np.random.permutation(len(data))
            for i in range(0, len(data), 30):
                rows = order[i : i + 30]
                loss = nn.functional.mse_loss(net(data[rows]), target[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
    with torch.no_grad():
        error = (net(torch.from_numpy(x[held])) - torch.from_numpy(y[held])).square()
    scores.append(error.mean().item())
# Permutation importance.
for column in range(3):
    broken = x.copy()
    np.random.shuffle(broken[:, column])
    with torch.no_grad():
        print(nn.functional.mse_loss(net(torch.from_numpy(broken)), torch.tensor(y)))
print(scores)
