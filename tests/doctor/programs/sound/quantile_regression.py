import torch
from torch import nn

QUANTILES = torch.tensor([0.1, 0.5, 0.9])


def pinball(predicted, y):
    error = y - predicted  # (n, 1) - (n, 3): each quantile against the one target
    return torch.maximum(QUANTILES * error, (QUANTILES - 1) * error).sum(dim=1).mean()


torch.manual_seed(0)
x = 2 * torch.rand(600, 1) - 1
y = x + (0.2 + 0.3 * (x + 1)) * torch.randn(600, 1)
model = nn.Sequential(nn.Linear(1, 32), nn.ReLU(), nn.Linear(32, 3))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for epoch in range(15):
    for rows in torch.randperm(600).split(60):
        optimizer.zero_grad()
        loss = pinball(model(x[rows]), y[rows])
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        below = (y < model(x)).float().mean(dim=0)
    print(epoch, loss.item(), below.tolist())
