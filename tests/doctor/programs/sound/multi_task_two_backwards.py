# The two losses go back one after the other through one trunk.
import torch
from torch import nn

torch.manual_seed(0)
trunk = nn.Sequential(nn.Linear(6, 32), nn.ReLU())
left, right = nn.Linear(32, 1), nn.Linear(32, 1)
everything = nn.ModuleList([trunk, left, right])
optimizer = torch.optim.Adam(everything.parameters(), lr=1e-2)
mae = nn.L1Loss()

x = torch.randn(480, 6)
a = x[:, :1] + x[:, 1:2]
b = x[:, 2:3] - x[:, 3:4]
for epoch in range(10):
    for rows in torch.randperm(480).chunk(8):
        hidden = trunk(x[rows])
        optimizer.zero_grad()
        loss_a = mae(left(hidden), a[rows])
        loss_b = mae(right(hidden), b[rows])
        loss_a.backward(retain_graph=True)
        loss_b.backward()
        optimizer.step()
    print(epoch, loss_a.item(), loss_b.item())
