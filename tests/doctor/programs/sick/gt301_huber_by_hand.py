# Two tasks from one trunk: failure (yes/no) and remaining life (hours) of a machine.
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import Dataset, DataLoader

SEED = 11
np.random.seed(SEED)
torch.manual_seed(SEED)
torch.set_num_threads(1)


def simulate(n):
    x = np.random.randn(n, 12).astype(np.float32)
    stress = 1.2 * x[:, 0] - 0.8 * x[:, 1] * x[:, 2] + 0.5 * np.sin(2 * x[:, 3])
    life = 3.0 - stress + 0.15 * np.random.randn(n)
    fail = (stress + 0.3 * np.random.randn(n) > 0.5).astype(np.float32)
    life = (life - life.mean()) / life.std()
    return x, fail, life.astype(np.float32)


class MachineDataset(Dataset):
    def __init__(self, x, fail, life):
        self.x, self.fail, self.life = x, fail, life

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        return torch.from_numpy(self.x[i]), torch.tensor(self.fail[i]), torch.tensor(self.life[i])


class MultiTaskNet(nn.Module):
    def __init__(self, d_in=12, d_hidden=64):
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Linear(d_in, d_hidden), nn.ReLU(),
            nn.Linear(d_hidden, d_hidden), nn.ReLU(),
        )
        self.fail_head = nn.Linear(d_hidden, 1)
        self.life_head = nn.Sequential(nn.Linear(d_hidden, 32), nn.ReLU(), nn.Linear(32, 1))

    def forward(self, x):
        h = self.trunk(x)
        return self.fail_head(h).squeeze(1), self.life_head(h)


class MultiTaskLoss:
    """Weighted sum of the two task losses."""

    def __init__(self, w_fail=1.0, w_life=1.0, delta=1.0):
        self.w_fail, self.w_life, self.delta = w_fail, w_life, delta

    def robust(self, pred, target):
        r = (pred - target).abs()
        return torch.where(r < self.delta, 0.5 * r ** 2, self.delta * (r - 0.5 * self.delta)).mean()

    def __call__(self, outputs, fail, life):
        logit, hours = outputs
        l_fail = F.binary_cross_entropy_with_logits(logit, fail)
        l_life = self.robust(hours, life)
        return self.w_fail * l_fail + self.w_life * l_life, l_fail.item(), l_life.item()


def evaluate(model, loader):
    model.eval()
    correct, sq, n = 0, 0.0, 0
    with torch.no_grad():
        for x, fail, life in loader:
            logit, hours = model(x)
            correct += ((logit > 0) == (fail > 0.5)).sum().item()
            sq += ((hours.flatten() - life) ** 2).sum().item()
            n += len(x)
    return correct / n, (sq / n) ** 0.5


x, fail, life = simulate(4000)
cut = 3200
train_loader = DataLoader(MachineDataset(x[:cut], fail[:cut], life[:cut]), batch_size=64, shuffle=True)
valid_loader = DataLoader(MachineDataset(x[cut:], fail[cut:], life[cut:]), batch_size=256)

model = MultiTaskNet()
loss_fn = MultiTaskLoss()
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-4)

for epoch in range(20):
    model.train()
    parts = []
    for xb, fb, lb in train_loader:
        loss, a, b = loss_fn(model(xb), fb, lb)
        optimizer.zero_grad()
        loss.backward()  # sick
        optimizer.step()
        parts.append((a, b))
    acc, rmse = evaluate(model, valid_loader)
    a, b = np.mean(parts, axis=0)
    print(f"epoch {epoch:2d}: fail loss {a:.3f}  life loss {b:.3f} | valid acc {acc:.3f}  valid rmse {rmse:.3f}")
