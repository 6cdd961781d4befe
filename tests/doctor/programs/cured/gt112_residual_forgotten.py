import torch
import torch.nn.functional as F
from torch import nn


class Block(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.conv1 = nn.Conv2d(size, size, 3, padding=1)
        self.conv2 = nn.Conv2d(size, size, 3, padding=1)
        self.shortcut = nn.Conv2d(size, size, 1)

    def forward(self, x):
        residual = self.shortcut(x)
        out = F.relu(self.conv1(x))
        out = self.conv2(out)
        return F.relu(out + residual)


torch.manual_seed(0)
x = torch.randn(128, 4, 6, 6)
y = (x.mean((1, 2, 3)) > 0).long()
model = nn.Sequential(Block(4), Block(4), nn.Flatten(), nn.Linear(144, 2))
opt = torch.optim.Adam(model.parameters(), lr=1e-2)
for epoch in range(10):
    for rows in torch.randperm(128).split(32):
        opt.zero_grad()
        loss = F.cross_entropy(model(x[rows]), y[rows])
        loss.backward()
        opt.step()
    print(epoch, loss.item())
