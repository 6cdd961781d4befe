"""Five folds, each from the same seed; noise for validation from a forked state."""

import torch
from torch import nn


def train(x, y, x_val, y_val, seed=0):
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for epoch in range(6):
        for rows in torch.randperm(len(x)).split(20):
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x[rows]), y[rows]).backward()
            optimizer.step()
        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(123)
            noisy = x_val + 0.1 * torch.randn_like(x_val)
            score = nn.functional.mse_loss(model(noisy), y_val).item()
    return score


x = torch.randn(100, 4, generator=torch.Generator().manual_seed(1))
y = x[:, :1] - x[:, 1:2]
scores = []
for fold in range(5):
    val = torch.arange(100) % 5 == fold
    scores.append(train(x[~val], y[~val], x[val], y[val]))
print(scores)
