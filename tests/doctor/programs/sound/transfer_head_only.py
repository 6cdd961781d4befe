# Train a network on one task, then a new head of it on another.
import torch
import torch.nn as nn
import torch.optim as optim


def fit(model, params, x, y, epochs, lr):
    opt = optim.SGD(params, lr=lr, momentum=0.9)
    crit = nn.CrossEntropyLoss()
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(50):
            opt.zero_grad()
            crit(model(x[rows]), y[rows]).backward()
            opt.step()
    model.eval()
    with torch.no_grad():
        accuracy = (model(x).argmax(dim=1) == y).float().mean().item()
    model.train()
    return accuracy


torch.manual_seed(10)
x = torch.randn(500, 10)
w = torch.randn(10, 4)
first_task = (x @ w).argmax(dim=1)
second_task = (x @ w[:, :2]).sum(dim=1).gt(0).long()

net = nn.Sequential()
net.add_module("body", nn.Sequential(nn.Linear(10, 64), nn.LayerNorm(64), nn.GELU()))
net.add_module("fc", nn.Linear(64, 4))
print("pretrained", fit(net, net.parameters(), x, first_task, 8, 0.05))

for param in net.parameters():
    param.requires_grad = False
net.fc = nn.Linear(64, 2)  # asks for gradients anew
print("new head", fit(net, net.fc.parameters(), x, second_task, 8, 0.05))
