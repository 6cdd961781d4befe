"""Two heads by task, in a dict."""

import torch
import torch.nn.functional as F
from torch import nn


class TwoTasks(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(6, 24), nn.Tanh())
        self.heads = nn.ModuleDict({"size": nn.Linear(24, 1), "kind": nn.Linear(24, 3)})

    def forward(self, x):
        h = self.trunk(x)
        return {name: head(h) for name, head in self.heads.items()}


def main():
    torch.manual_seed(0)
    x = torch.randn(240, 6)
    size, kind = x[:, :1] - x[:, 1:2], x[:, 2:5].argmax(1)
    model = TwoTasks()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    for epoch in range(10):
        for rows in torch.randperm(240).split(40):
            out = model(x[rows])
            loss = F.mse_loss(out["size"], size[rows])
            loss = loss + F.cross_entropy(out["kind"], kind[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(epoch, loss.item())


main()
