"""How fast a network learns random labels by heart, after Zhang et al. 2017."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
x = torch.randn(200, 20)
y = (x[:, 0] > 0).long()
random_y = y[torch.randperm(len(y))]


def train(labels):
    order = torch.randperm(len(x))
    data, labels = x[order], labels[order]
    loader = DataLoader(TensorDataset(data, labels), batch_size=20, shuffle=True)
    model = nn.Sequential(nn.Linear(20, 128), nn.ReLU(), nn.Linear(128, 2))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for epoch in range(20):
        for xb, yb in loader:
            loss = nn.functional.cross_entropy(model(xb), yb)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return loss.item()


print("random", train(random_y))
print("true", train(y))
