import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
x = torch.randn(256, 8)
y = x[:, :3].argmax(1)
features = nn.Sequential(nn.Linear(8, 256), nn.ReLU()).requires_grad_(False)
readout = nn.Linear(256, 3)
optimizer = torch.optim.Adam(readout.parameters(), lr=1e-2)
for epoch in range(10):
    for rows in torch.randperm(256).split(32):
        optimizer.zero_grad()
        F.cross_entropy(readout(features(x[rows])), y[rows]).backward()
        optimizer.step()
