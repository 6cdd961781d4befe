"""Test accuracy at the end, full batches, a class and functions."""

import torch
import torch.nn.functional as F
from torch import nn


class ConvNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 3, padding=1)
        self.bn = nn.BatchNorm2d(8)
        self.fc = nn.Linear(8 * 16, 2)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn(self.conv(x))), 2)
        return self.fc(x.flatten(1))


def make_data(n):
    x = torch.randn(n, 1, 8, 8)
    y = torch.randint(0, 2, (n,))
    x[y == 1, :, 2:6, 2:6] += 0.7
    return x, y


def accuracy(net, x, y):
    with torch.no_grad():
        scores = net(x)  # sick
    return (scores.argmax(1) == y).float().mean().item()


def main():
    torch.manual_seed(1)
    x, y = make_data(128)
    x_test, y_test = make_data(64)
    net = ConvNet()
    opt = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    for epoch in range(5):
        net.train()
        for rows in torch.randperm(128).split(32):
            opt.zero_grad()
            F.cross_entropy(net(x[rows]), y[rows]).backward()
            opt.step()
        print(epoch, accuracy(net, x_test, y_test))


main()
