"""A second stage is switched on after some epochs; lr is set by hand."""

import torch
from torch import nn


class Growing(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(nn.Linear(4, 24), nn.ReLU())
        self.second = nn.Sequential(nn.Linear(24, 24), nn.ReLU())
        self.out = nn.Linear(24, 1)
        self.is_grown = False

    def forward(self, x):
        h = self.first(x)
        if self.is_grown:
            h = h + self.second(h)
        return self.out(h)


torch.manual_seed(0)
x = torch.randn(120, 4)
y = (x[:, :1] - 1).abs()
model = Growing()
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
for epoch in range(20):
    model.is_grown = epoch >= 8
    for group in optimizer.param_groups:
        group["lr"] = 0.05 * (1 - epoch / 20)
    for rows in torch.randperm(120).split(20):
        optimizer.zero_grad()
        nn.functional.mse_loss(model(x[rows]), y[rows]).backward()
        optimizer.step()
