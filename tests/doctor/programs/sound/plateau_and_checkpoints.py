"""Reduce on plateau, early stopping, checkpoints written and the best one read."""

import copy
import io

import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(150, 6)
y = x[:, :1] + 0.5 * torch.randn(150, 1)
model = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=2)
loss_fn = nn.MSELoss()
best, best_state, last = float("inf"), None, None
for epoch in range(30):
    model.train()
    for rows in torch.randperm(100).split(20):
        optimizer.zero_grad()
        loss_fn(model(x[rows]), y[rows]).backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        val_loss = loss_fn(model(x[100:]), y[100:]).item()
    scheduler.step(val_loss)
    state = model.state_dict()
    last = io.BytesIO()
    torch.save({"model": state, "optimizer": optimizer.state_dict()}, last)
    if val_loss < best:
        best, best_state = val_loss, copy.deepcopy(model.state_dict())
model.load_state_dict(best_state)
last.seek(0)
again = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 1))
again.load_state_dict(torch.load(last)["model"])
