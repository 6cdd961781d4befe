import copy

import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(60, 6)
y = x[:, :1] + torch.randn(60, 1)
model = nn.Sequential(nn.Linear(6, 50), nn.ReLU(), nn.Linear(50, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=2e-2)
best_loss, best_model = float("inf"), None
for epoch in range(60):
    for rows in torch.randperm(40).split(10):
        loss = ((model(x[rows]) - y[rows]) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        val_loss = ((model(x[40:]) - y[40:]) ** 2).mean().item()
    if val_loss < best_loss:
        best_loss = val_loss
        best_model = copy.deepcopy(model)
with torch.no_grad():
    print(best_loss, ((best_model(x[40:]) - y[40:]) ** 2).mean().item())
