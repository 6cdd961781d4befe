import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
x = torch.randn(200, 5)
y = x[:, :3].argmax(1)
net = nn.Sequential(nn.Linear(5, 20), nn.ReLU(), nn.Linear(20, 8))
prototypes = nn.Parameter(torch.randn(3, 8))
optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)  # sick
for epoch in range(10):
    for rows in torch.randperm(200).split(40):
        optimizer.zero_grad()
        loss = F.cross_entropy(-torch.cdist(net(x[rows]), prototypes), y[rows])
        loss.backward()
        optimizer.step()
