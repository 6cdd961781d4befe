import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
x = torch.randn(256, 1, 8, 8)
y = (x.mean((1, 2, 3)) > 0).long()
model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(5):
    for rows in torch.randperm(256).split(32):
        optimizer.zero_grad()
        F.cross_entropy(model(x[rows]), y[rows]).backward()
        optimizer.step()
image = torch.zeros(1, 1, 8, 8, requires_grad=True)
painter = torch.optim.Adam([image], lr=0.05)
for step in range(100):
    painter.zero_grad()
    loss = -model(image)[0, 1] + 0.1 * image.pow(2).mean()
    loss.backward()
    painter.step()
