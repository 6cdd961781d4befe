import copy

import torch
from torch import nn


class EarlyStopping:
    def __init__(self, patience=4):
        self.patience, self.bad = patience, 0
        self.best, self.weights = float("inf"), None

    def __call__(self, value, model):
        if value < self.best:
            self.best, self.bad = value, 0
            self.weights = copy.deepcopy(model.state_dict())
        else:
            self.bad += 1
        return self.bad >= self.patience


torch.manual_seed(0)
inputs = torch.randn(260, 9)
outputs = inputs[:, :1] - inputs[:, 1:2].abs() + 0.2 * torch.randn(260, 1)
tr, va, te = torch.arange(160), torch.arange(160, 210), torch.arange(210, 260)

net = nn.Sequential(nn.Linear(9, 64), nn.ReLU(), nn.Linear(64, 1))
opt = torch.optim.Adam(net.parameters(), lr=5e-3)
stop = EarlyStopping()
for epoch in range(40):
    net.train()
    for rows in tr[torch.randperm(len(tr))].split(20):
        opt.zero_grad()
        nn.functional.mse_loss(net(inputs[rows]), outputs[rows]).backward()
        opt.step()
    net.eval()
    with torch.no_grad():
        val = nn.functional.mse_loss(net(inputs[va]), outputs[va]).item()
    if stop(val, net):
        print("stopped in epoch", epoch)
        break
net.load_state_dict(stop.weights)
with torch.no_grad():
    print("test", nn.functional.mse_loss(net(inputs[te]), outputs[te]).item())
