import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)

x0 = torch.randn(120, 6) - 0.5
x1 = torch.randn(120, 6) + 0.5
x = torch.cat([x0, x1])
y = torch.cat([torch.zeros(120, 1), torch.ones(120, 1)])
net = nn.Sequential(nn.Linear(6, 12), nn.Tanh(), nn.Linear(12, 1))
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
for epoch in range(12):
    order = torch.randperm(240)
    for start in range(0, 240, 24):
        xb, yb = x[order[start : start + 24]], y[order[start : start + 24]]
        loss = F.binary_cross_entropy_with_logits(net(xb), yb)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
