import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(300, 6)
y = (x[:, :1] * x[:, 1:2] > 0).float()


def train(net, epochs):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.5, momentum=0.9)
    for epoch in range(epochs):
        logits = net(x)
        value = nn.functional.binary_cross_entropy_with_logits(logits, y)
        loss = value
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if epoch % 20 == 0:
            print(epoch, loss.item())


train(nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 1)), epochs=100)
