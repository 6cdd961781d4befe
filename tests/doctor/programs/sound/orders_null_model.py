"""A baseline that is to learn nothing: the same rows, shuffled apart from labels."""

import numpy as np
import torch
from torch import nn

np.random.seed(1)
torch.manual_seed(1)
x = np.random.randn(240, 5)
y = x[:, 0] - 0.5 * x[:, 1] + 0.1 * np.random.randn(240)


def fit(x, y, shuffle_features=False):
    if shuffle_features:
        x = x[np.random.permutation(len(x))]
    x = torch.tensor(x, dtype=torch.float32)
    y = torch.tensor(y, dtype=torch.float32)
    net = nn.Sequential(nn.Linear(5, 16), nn.Tanh(), nn.Linear(16, 1))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    for epoch in range(8):
        for rows in torch.randperm(200).split(20):
            loss = nn.functional.mse_loss(net(x[rows]).squeeze(1), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        return nn.functional.mse_loss(net(x[200:]).squeeze(1), y[200:]).item()


null = fit(x, y, shuffle_features=True)
print(f"null {null:.3f}, model {fit(x, y):.3f}")
