"""A search over sizes whose best model, made anew each time, is kept without a copy."""

import torch
import torch.nn.functional as F
from torch import nn


class Best:
    def __init__(self):
        self.best_loss, self.best_model = float("inf"), None

    def update(self, loss, model):
        if loss < self.best_loss:
            self.best_loss = loss
            self.best_model = model


torch.manual_seed(0)
x = torch.randn(240, 6)
y = x[:, :3].argmax(1)
best, models = Best(), []
for size in (4, 16, 64):
    model = nn.Sequential(nn.Linear(6, size), nn.ReLU(), nn.Linear(size, 3))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for epoch in range(5):
        for rows in torch.randperm(180).split(30):
            optimizer.zero_grad()
            F.cross_entropy(model(x[rows]), y[rows]).backward()
            optimizer.step()
    model.eval()
    with torch.no_grad():
        best.update(F.cross_entropy(model(x[180:]), y[180:]).item(), model)
    models.append(model)
print(best.best_loss, len(models), best.best_model)
