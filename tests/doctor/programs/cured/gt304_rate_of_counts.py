"""Claim frequency model: number of motor claims given exposure and rating factors."""
import numpy as np
import torch
from torch import nn

torch.set_num_threads(1)
torch.manual_seed(5)
rng = np.random.default_rng(5)

N = 8000
age = rng.uniform(18, 80, N)
power = rng.integers(4, 13, N)
density = rng.normal(0, 1, N)
region = rng.integers(0, 6, N)
exposure = rng.uniform(0.2, 1.0, N)
region_effect = np.array([-0.4, -0.2, 0.0, 0.1, 0.3, 0.5])
eta = 0.6 + 0.9 * np.exp(-(age - 18) / 10) + 0.06 * (power - 8) + 0.25 * density + region_effect[region]
claims = rng.poisson(exposure * np.exp(eta))

x = np.column_stack([(age - 49) / 18, (power - 8) / 2.6, density, np.eye(6)[region]]).astype("float32")
x, expo, y = torch.from_numpy(x), torch.from_numpy(exposure.astype("float32")), torch.from_numpy(claims.astype("float32"))
split = int(0.75 * N)


class FrequencyNet(nn.Module):
    def __init__(self, d_in):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(d_in, 32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU())
        self.rate = nn.Linear(16, 1)

    def forward(self, x, expo):
        """expected number of claims"""
        return torch.exp(self.rate(self.trunk(x)).squeeze(-1)) * expo


def deviance(mu, y):
    term = torch.where(y > 0, y * torch.log(y.clamp(min=1) / mu), torch.zeros_like(y))
    return 2 * (term - (y - mu)).mean().item()


model = FrequencyNet(x.shape[1])
criterion = nn.PoissonNLLLoss(log_input=False)
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)

for epoch in range(25):
    model.train()
    order = torch.randperm(split)
    total = 0.0
    for b in range(0, split, 200):
        i = order[b:b + 200]
        optimizer.zero_grad()
        loss = criterion(model(x[i], expo[i]), y[i])
        loss.backward()
        optimizer.step()
        total += loss.item() * len(i)
    if epoch % 5 == 4:
        model.eval()
        with torch.no_grad():
            mu = model(x[split:], expo[split:])
        print(f"epoch {epoch + 1}: nll {total / split:.4f}  test deviance {deviance(mu, y[split:]):.4f}  "
              f"mean predicted {mu.mean():.3f}  mean observed {y[split:].mean():.3f}")

null = y[:split].sum() / expo[:split].sum() * expo[split:]
print(f"null deviance {deviance(null, y[split:]):.4f}")
