"""Uncertainty by Monte-Carlo dropout: dropout stays on when predicting, on purpose."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(14)
torch.set_num_threads(1)


def truth(x):
    return torch.sin(3 * x) + 0.5 * x


class MCNet(nn.Module):
    """predicts a mean and a log-variance; every forward pass is a random draw"""

    def __init__(self, width=96, p=0.05):
        super().__init__()
        self.fc1, self.fc2, self.fc3 = nn.Linear(1, width), nn.Linear(width, width), nn.Linear(width, 2)
        self.p = p

    def forward(self, x):
        h = F.relu(self.fc1(x))
        h = F.dropout(h, self.p, training=True)
        h = F.relu(self.fc2(h))
        h = F.dropout(h, self.p, training=True)
        mean, logvar = self.fc3(h).chunk(2, dim=1)
        return mean, logvar.clamp(-8, 4)


def nll(mean, logvar, y):
    return 0.5 * (logvar + (y - mean) ** 2 / logvar.exp()).mean()


@torch.no_grad()
def predict(model, x, draws=50):
    model.eval()
    means, logvars = zip(*(model(x) for _ in range(draws)))
    means = torch.stack(means)
    noise = torch.stack(logvars).exp().mean(0)
    return means.mean(0), means.var(0), noise


x = torch.cat([torch.rand(700, 1) * 1.6 - 2, torch.rand(700, 1) * 1.6 + 0.4])
y = truth(x) + (0.05 + 0.1 * (x > 0).float()) * torch.randn_like(x)
x_valid = torch.cat([torch.rand(100, 1) * 1.6 - 2, torch.rand(100, 1) * 1.6 + 0.4])
y_valid = truth(x_valid)
loader = DataLoader(TensorDataset(x, y), batch_size=50, shuffle=True)

model = MCNet()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=60, eta_min=1e-4)

for epoch in range(1, 61):
    model.train()
    total = 0.0
    for xb, yb in loader:
        mean, logvar = model(xb)
        loss = nll(mean, logvar, yb)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(xb)
    scheduler.step()
    if epoch % 6 == 0:
        m, spread, noise = predict(model, x_valid)
        rmse = (m - y_valid).pow(2).mean().sqrt().item()
        print(f"epoch {epoch:2d}  nll {total / len(x):7.4f}  rmse {rmse:.4f}  "
              f"model std {spread.mean().sqrt().item():.3f}  noise std {noise.mean().sqrt().item():.3f}")

for label, where in (("inside", torch.tensor([[-1.2]])), ("gap", torch.tensor([[0.0]])), ("outside", torch.tensor([[4.0]]))):
    m, spread, noise = predict(model, where, draws=200)
    print(f"{label:8s} x={where.item():5.1f}  mean {m.item():6.3f}  model std {spread.sqrt().item():.3f}")
