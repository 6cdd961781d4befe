"""A trained generator, and a search for the code that gives an image."""

import torch
from torch import nn

torch.manual_seed(0)
decoder = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 12))
wanted = decoder(torch.randn(1, 3)).detach()
code = nn.Parameter(torch.zeros(1, 3))
optimizer = torch.optim.Adam([code], lr=0.05)
for step in range(200):
    optimizer.zero_grad()
    loss = ((decoder(code) - wanted) ** 2).mean()
    loss.backward()
    optimizer.step()
print(loss.item())
