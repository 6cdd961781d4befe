"""Mixup and its manifold form: the loss looks at the labels of two rows."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
np.random.seed(0)
x = torch.randn(320, 8)
y = (x[:, :4].sum(1) > 0).long() + (x[:, 4:].sum(1) > 0).long()
body = nn.Sequential(nn.Linear(8, 32), nn.ReLU())
head = nn.Linear(32, 3)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.head = body, head

    def forward(self, x, perm, lam):
        hidden = self.body(x)
        return self.head(lam * hidden + (1 - lam) * hidden[perm])


model = Net()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for epoch in range(10):
    for rows in torch.randperm(len(x)).split(40):
        xb, yb = x[rows], y[rows]
        lam = float(np.random.beta(0.4, 0.4))
        perm = torch.randperm(len(xb))
        if epoch % 2:
            out = model(lam * xb + (1 - lam) * xb[perm], torch.arange(len(xb)), 1.0)
        else:
            out = model(xb, perm, lam)
        loss = lam * F.cross_entropy(out, yb) + (1 - lam) * F.cross_entropy(
            out, yb[perm]
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
