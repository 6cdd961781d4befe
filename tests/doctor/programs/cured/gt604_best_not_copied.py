import copy

import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(60, 10)
y = x[:, :1] + torch.randn(60, 1)
model = nn.Sequential(nn.Linear(10, 64), nn.ReLU(), nn.Linear(64, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
loss_fn = nn.MSELoss()
best_loss, best_state = float("inf"), None
for epoch in range(80):
    optimizer.zero_grad()
    loss_fn(model(x[:40]), y[:40]).backward()
    optimizer.step()
    with torch.no_grad():
        val_loss = loss_fn(model(x[40:]), y[40:]).item()
    if val_loss < best_loss:
        best_loss = val_loss
        best_state = copy.deepcopy(model.state_dict())
model.load_state_dict(best_state)
with torch.no_grad():
    print(best_loss, loss_fn(model(x[40:]), y[40:]).item())
