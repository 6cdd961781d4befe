"""A class with a flag of its own, which it reads; and a penalty of learned weights."""

import torch
import torch.nn.functional as F
from torch import nn


class Scaled(nn.Module):
    def __init__(self, size, trainable):
        super().__init__()
        self.trainable = trainable
        self.scale = nn.Parameter(torch.ones(size))
        self.linear = nn.Linear(size, size)

    def forward(self, x):
        scale = self.scale if self.trainable else self.scale.detach()
        return self.linear(x * scale)


torch.manual_seed(0)
x = torch.randn(240, 6)
y = x[:, :3].argmax(1)
first = Scaled(6, trainable=True)
second = Scaled(6, trainable=False)
second.scale.requires_grad = False
net = nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), nn.Linear(6, 3))
optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
for epoch in range(10):
    for rows in torch.randperm(240).split(30):
        optimizer.zero_grad()
        F.cross_entropy(net(x[rows]), y[rows]).backward()
        optimizer.step()
