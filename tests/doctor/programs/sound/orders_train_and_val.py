"""Two orders: one of the rows to train on, one of as many to validate on."""

import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(400, 5)
y = (x[:, :1] - x[:, 1:2]).sign().clamp(min=0)
x_train, y_train, x_val, y_val = x[:200], y[:200], x[200:], y[200:]
p = torch.randperm(200)
x_train, y_train = x_train[p], y_train[p]
q = torch.randperm(200)
x_val, y_val = x_val[q], y_val[q]

model = nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
loss_fn = nn.BCEWithLogitsLoss()
for epoch in range(10):
    order = torch.randperm(200)
    x_train, y_train = x_train[order], y_train[order]
    for i in range(0, 200, 25):
        optimizer.zero_grad()
        loss = loss_fn(model(x_train[i : i + 25]), y_train[i : i + 25])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        print(epoch, loss_fn(model(x_val), y_val).item())
    model.train()
