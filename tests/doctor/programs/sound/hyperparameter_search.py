import itertools

import torch
from torch import nn


def objective(config, data):
    torch.manual_seed(0)
    width, lr, activation = config
    model = nn.Sequential(nn.Linear(4, width), activation(), nn.Linear(width, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    (x, y), (xv, yv) = data
    for _ in range(6):
        for rows in torch.randperm(len(x)).split(32):
            optimizer.zero_grad()
            loss = ((model(x[rows]) - y[rows]) ** 2).mean()
            loss.backward()
            optimizer.step()
    model.eval()
    with torch.no_grad():
        return ((model(xv) - yv) ** 2).mean().item()


g = torch.Generator().manual_seed(9)
x = torch.randn(320, 4, generator=g)
y = (x[:, :1] * 0.8 + x[:, 1:2].sin()).clone()
data = (x[:256], y[:256]), (x[256:], y[256:])
results = {}
for config in itertools.product((16, 32), (3e-3, 2e-2), (nn.ReLU, nn.Tanh)):
    results[config] = objective(config, data)
best = min(results, key=results.get)
print("best", best[0], best[1], best[2].__name__, results[best])
