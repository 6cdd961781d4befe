import torch
import torch.nn.functional as F
from torch import nn


class Attention(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.proj = nn.Linear(size, size)
        self.size = size

    def forward(self, h):
        self.query = nn.Parameter(torch.randn(self.size))  # sick
        scores = torch.tanh(self.proj(h)) @ self.query
        return (scores.softmax(1).unsqueeze(2) * h).sum(1)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(3, 16, batch_first=True)
        self.attention = Attention(16)
        self.out = nn.Linear(16, 2)

    def forward(self, x):
        return self.out(self.attention(self.gru(x)[0]))


torch.manual_seed(0)
x = torch.randn(200, 6, 3)
y = (x[:, 0, 0] > 0).long()
net = Net()
optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
for epoch in range(10):
    for rows in torch.randperm(200).split(40):
        optimizer.zero_grad()
        F.cross_entropy(net(x[rows]), y[rows]).backward()
        optimizer.step()
