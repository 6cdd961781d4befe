import numpy as np
import torch
from torch import nn

torch.manual_seed(42)
x = torch.randn(300, 4)
y = (x[:, 0] > x[:, 1]).long()
indices = np.random.permutation(len(x))  # sick
train, test = torch.from_numpy(indices[:240]), torch.from_numpy(indices[240:])
model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for epoch in range(10):
    for rows in train[torch.randperm(len(train))].split(30):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
        loss.backward()
        optimizer.step()
with torch.no_grad():
    print((model(x[test]).argmax(1) == y[test]).float().mean().item())
