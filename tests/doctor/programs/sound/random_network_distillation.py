"""Novelty by random network distillation: the target stays random, on purpose."""

import torch
from torch import nn

torch.manual_seed(0)
states = torch.randn(512, 6)
target = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 8))
predictor = nn.Sequential(nn.Linear(6, 64), nn.ReLU(), nn.Linear(64, 8))
optimizer = torch.optim.Adam(predictor.parameters(), lr=3e-3)
for epoch in range(10):
    for batch in states[torch.randperm(512)].split(64):
        optimizer.zero_grad()
        bonus = (predictor(batch) - target(batch)).pow(2).mean(1)
        bonus.mean().backward()
        optimizer.step()
    print(epoch, bonus.mean().item())
