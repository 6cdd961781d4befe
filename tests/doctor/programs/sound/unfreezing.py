"""First the head, then everything with a new optimizer and schedule."""

import torch
from torch import nn
from torch.optim.lr_scheduler import StepLR

torch.manual_seed(0)
x = torch.randn(160, 6)
y = (x[:, 0] + x[:, 1] > 0).long()
body = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU())
model = nn.Sequential(body, nn.Linear(16, 2))
body.requires_grad_(False)


def run(optimizer, epochs):
    scheduler = StepLR(optimizer, step_size=3, gamma=0.5)
    for epoch in range(epochs):
        for rows in torch.randperm(160).split(32):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
            optimizer.step()
        scheduler.step()


run(torch.optim.Adam(model[1].parameters(), lr=1e-2), epochs=6)
body.requires_grad_(True)
run(torch.optim.Adam(model.parameters(), lr=1e-3), epochs=6)
