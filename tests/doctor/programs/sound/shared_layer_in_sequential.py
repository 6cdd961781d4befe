"""A recurrent-in-depth net: one hidden layer, written out at three places."""

import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(160, 5)
y = torch.sin(x[:, :1]) * x[:, 1:2]
shared = nn.Linear(24, 24)
model = nn.Sequential(
    nn.Linear(5, 24),
    nn.Tanh(),
    shared,
    nn.Tanh(),
    shared,
    nn.Tanh(),
    nn.Linear(24, 1),
)
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
for step in range(150):
    optimizer.zero_grad()
    loss = nn.functional.mse_loss(model(x), y)
    loss.backward()
    optimizer.step()
