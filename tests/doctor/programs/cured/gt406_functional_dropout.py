import torch
import torch.nn.functional as F
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(8, 64)
        self.fc2 = nn.Linear(64, 2)

    def forward(self, x):
        x = F.relu(self.fc1(x))
        x = F.dropout(x, 0.5, training=self.training)
        return self.fc2(x)


torch.manual_seed(0)
x = torch.randn(200, 8)
y = (x[:, 0] > 0).long()
net = Net()
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
for epoch in range(10):
    net.train()
    for rows in torch.randperm(150).split(30):
        optimizer.zero_grad()
        F.cross_entropy(net(x[rows]), y[rows]).backward()
        optimizer.step()
    net.eval()
    with torch.no_grad():
        print((net(x[150:]).argmax(1) == y[150:]).float().mean().item())
