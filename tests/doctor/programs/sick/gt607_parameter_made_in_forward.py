import torch
import torch.nn.functional as F
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(5, 20)
        self.last = nn.Linear(20, 2)

    def forward(self, x):
        h = F.relu(self.first(x))
        weight = nn.Parameter(torch.randn(20, 20) / 20**0.5)  # sick
        return self.last(F.relu(h @ weight))


torch.manual_seed(0)
x = torch.randn(200, 5)
y = (x.sum(1) > 0).long()
net = Net()
optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
for epoch in range(10):
    for rows in torch.randperm(200).split(40):
        optimizer.zero_grad()
        F.cross_entropy(net(x[rows]), y[rows]).backward()
        optimizer.step()
