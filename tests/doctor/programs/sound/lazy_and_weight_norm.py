"""Lazy layers, weight norm, a dry run, and the loss before training."""

import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.LazyConv1d(8, 3), nn.ReLU(), nn.Flatten())
        self.hidden = nn.LazyLinear(16)
        self.drop = nn.Dropout(0.1)
        self.out = weight_norm(nn.Linear(16, 1))

    def forward(self, x):
        return self.out(self.drop(torch.relu(self.hidden(self.features(x)))))


torch.manual_seed(0)
x = torch.randn(120, 1, 12)
y = x.amax(dim=2)
net = Net()
print(net(x[:2]).shape)
loss_fn = nn.MSELoss()
print("before", loss_fn(net(x), y).item())
optimizer = torch.optim.RMSprop(net.parameters(), lr=2e-3)
for epoch in range(10):
    net.train()
    for rows in torch.randperm(120).split(24):
        optimizer.zero_grad(set_to_none=False)
        loss_fn(net(x[rows]), y[rows]).backward()
        optimizer.step()
net.eval()
with torch.no_grad():
    print("after", loss_fn(net(x), y).item())
