"""A model's output against bins, as many as a batch has rows, and energy distance."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
x = torch.randn(320, 4)
y = (x[:, 0] + 0.3 * torch.randn(320)).clamp(-2, 2)
loader = DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True)
centres = torch.linspace(-2, 2, 32)
model = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)


def soft_histogram(values):
    weight = torch.exp(-((values - centres) ** 2) / 0.02)
    return weight.sum(dim=0) / weight.sum()


def energy_distance(one, other):
    between = (one[:, None] - other[None, :]).abs().mean()
    within = (one[:, None] - one).abs().mean() + (other[:, None] - other).abs().mean()
    return between - within / 2


def pairs_in_order(scores, targets):
    one = scores.unsqueeze(1) - scores
    other = targets.unsqueeze(1) - targets
    return ((one > 0) == (other > 0)).float().mean()


for epoch in range(6):
    for rows, targets in loader:
        optimizer.zero_grad()
        loss = F.mse_loss(model(rows), targets.unsqueeze(1))
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            histogram = soft_histogram(model(rows))
    with torch.no_grad():
        out = model(x)
        off = (model(rows) - centres).abs().min(dim=1).values.mean()
        far = ((model(rows) - centres) ** 2).mean()
        flat = out.squeeze(1)
        crps = (flat[:, None] - y).abs().mean() - (flat[:, None] - flat).abs().mean()
        print(epoch, loss.item(), histogram.max(), off, far, crps)
        print(energy_distance(flat, y), pairs_in_order(flat, y))
