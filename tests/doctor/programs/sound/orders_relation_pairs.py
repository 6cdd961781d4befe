"""Pairs of rows, from two orders: the label says whether their classes are the same."""

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
y = torch.arange(2).repeat(150)
x = torch.randn(300, 6) + 2.0 * y[:, None]
encoder = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 8))
bias = nn.Parameter(torch.zeros(1))
optimizer = torch.optim.Adam([*encoder.parameters(), bias], lr=0.01)
for epoch in range(12):
    left, right = torch.randperm(300), torch.randperm(300)
    for a, b in zip(left.split(50), right.split(50), strict=True):
        distance = (encoder(x[a]) - encoder(x[b])).square().sum(1)
        same = (y[a] == y[b]).float()
        loss = F.binary_cross_entropy_with_logits(bias - distance, same)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
