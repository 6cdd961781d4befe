"""A new seed for each epoch, so that any epoch can be repeated alone."""

import random

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def set_seed(seed):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


set_seed(0)
x = torch.randn(120, 3)
data = TensorDataset(x, x[:, :1].exp())
model = nn.Sequential(nn.Linear(3, 16), nn.ELU(), nn.Linear(16, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
loader = DataLoader(data, batch_size=24, shuffle=True)
for epoch in range(8):
    set_seed(1000 + epoch)
    for features, targets in loader:
        optimizer.zero_grad()
        nn.functional.huber_loss(model(features), targets).backward()
        optimizer.step()
