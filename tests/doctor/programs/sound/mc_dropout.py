"""Uncertainty from dropout that is left on, on purpose."""

import torch
from torch import nn

torch.manual_seed(0)
x = torch.rand(128, 1) * 6 - 3
y = torch.sin(x) + 0.1 * torch.randn(128, 1)
grid = torch.linspace(-4, 4, 30).unsqueeze(1)
model = nn.Sequential(nn.Linear(1, 64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(64, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for step in range(200):
    rows = torch.randint(128, (32,))
    optimizer.zero_grad()
    nn.functional.mse_loss(model(x[rows]), y[rows]).backward()
    optimizer.step()
model.train()
with torch.no_grad():
    samples = torch.stack([model(grid) for _ in range(50)])
print(samples.mean(dim=0).squeeze()[:3], samples.std(dim=0).squeeze()[:3])
