"""Features of a frozen backbone, a head of its own."""

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
backbone = nn.Sequential(nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten())
backbone.requires_grad_(False)
backbone.eval()
head = nn.Linear(288, 2)
optimizer = torch.optim.Adam(head.parameters(), lr=1e-3)
x = torch.randn(200, 1, 8, 8) * 3 + 2
y = (x[:, 0, 2:5, 2:5].mean(dim=(1, 2)) > 2).long()
for step in range(80):
    rows = torch.randint(0, 200, (20,))
    features = backbone(x[rows])
    loss = F.cross_entropy(head(features), y[rows])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
