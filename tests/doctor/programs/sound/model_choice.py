"""Several models are trained, the best one is kept; learning rates are searched."""

import copy

import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(150, 3)
y = x[:, :1] * x[:, 1:2]


def train(model, lr, epochs=10):
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    for epoch in range(epochs):
        for rows in torch.randperm(100).split(20):
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x[rows]), y[rows]).backward()
            optimizer.step()
    with torch.no_grad():
        return nn.functional.mse_loss(model(x[100:]), y[100:]).item()


best_loss, best_model = float("inf"), None
for width in (8, 16, 32):
    model = nn.Sequential(nn.Linear(3, width), nn.Tanh(), nn.Linear(width, 1))
    start = copy.deepcopy(model.state_dict())
    for lr in (1e-3, 1e-2):
        model.load_state_dict(start)
        loss = train(model, lr)
        if loss < best_loss:
            best_loss, best_model = loss, copy.deepcopy(model)
best_model.eval()
print(best_loss, sum(p.numel() for p in best_model.parameters()))
