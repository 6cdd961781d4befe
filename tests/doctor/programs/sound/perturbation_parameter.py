"""Adversarial training whose perturbation is a new parameter for each batch."""

import torch
import torch.nn.functional as F
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(6, 32)
        self.scale = None
        self.last = nn.Linear(32, 3)

    def forward(self, x):
        h = F.relu(self.first(x))
        if self.scale is None:  # as wide as what comes, as in lazy layers
            self.scale = nn.Parameter(torch.ones(h.size(1)))
        return self.last(h * self.scale)


torch.manual_seed(0)
x = torch.randn(240, 6)
y = x[:, :3].argmax(1)
net = Net()
net(x[:2])
optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
for epoch in range(5):
    for rows in torch.randperm(240).split(30):
        delta = nn.Parameter(torch.zeros(30, 6))
        F.cross_entropy(net(x[rows] + delta), y[rows]).backward()
        attacked = x[rows] + 0.05 * delta.grad.sign()
        optimizer.zero_grad()
        F.cross_entropy(net(attacked), y[rows]).backward()
        optimizer.step()
