"""Warm-up, then cosine, per batch; a second run with warm restarts per epoch."""

import torch
from torch import nn
from torch.optim import lr_scheduler
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
x = torch.randn(160, 4)
data = TensorDataset(x, x.square().sum(dim=1, keepdim=True))
loader = DataLoader(data, batch_size=16, shuffle=True)
EPOCHS = 8


def make():
    model = nn.Sequential(nn.Linear(4, 32), nn.SiLU(), nn.Linear(32, 1))
    return model, torch.optim.AdamW(model.parameters(), lr=5e-3)


def train(model, optimizer, scheduler, per_batch):
    for epoch in range(EPOCHS):
        for features, targets in loader:
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(features), targets)
            loss.backward()
            optimizer.step()
            if per_batch:
                scheduler.step()
        if not per_batch:
            scheduler.step()
    return loss.item()


model, optimizer = make()
total = EPOCHS * len(loader)
warmup = lr_scheduler.LinearLR(optimizer, start_factor=0.1, total_iters=10)
cosine = lr_scheduler.CosineAnnealingLR(optimizer, T_max=total - 10)
both = lr_scheduler.SequentialLR(optimizer, [warmup, cosine], milestones=[10])
print(train(model, optimizer, both, per_batch=True))

model, optimizer = make()
restarts = lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=2, T_mult=2)
print(train(model, optimizer, restarts, per_batch=False))

model, optimizer = make()
one_cycle = lr_scheduler.OneCycleLR(optimizer, max_lr=2e-2, total_steps=total)
print(train(model, optimizer, one_cycle, per_batch=True))

model, optimizer = make()
decay = lr_scheduler.ExponentialLR(optimizer, gamma=0.7)
print(train(model, optimizer, decay, per_batch=False))
