"""Mixup with soft targets and a one-cycle learning rate that moves with every batch."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(12)
torch.set_num_threads(1)
x, y = load_digits(return_X_y=True)
x = ((x - 8.0) / 6.0).astype("float32").reshape(-1, 1, 8, 8)
xa, xb, ya, yb = map(torch.from_numpy, train_test_split(x, y, test_size=0.25, random_state=12, stratify=y))
loader = DataLoader(TensorDataset(xa, ya), batch_size=64, shuffle=True, drop_last=True)
EPOCHS = 14
TOTAL = EPOCHS * len(loader)
beta = torch.distributions.Beta(0.3, 0.3)


def one_cycle(step):
    up = 0.3 * TOTAL
    if step < up:
        return 0.1 + 0.9 * step / up
    return max(0.02, (TOTAL - step) / (TOTAL - up))


model = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
    nn.Conv2d(16, 32, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU(),
    nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(128, 10), nn.LogSoftmax(dim=1),
)
opt = torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.9, weight_decay=1e-4)
cycle = LambdaLR(opt, one_cycle)
for epoch in range(EPOCHS):
    model.train()
    mean = 0.0
    for xm, ym in loader:
        lam = beta.sample((len(xm),))
        partner = torch.randperm(len(xm))
        mixed = lam.view(-1, 1, 1, 1) * xm + (1 - lam).view(-1, 1, 1, 1) * xm[partner]
        hot = F.one_hot(ym, 10).float()
        soft = lam.view(-1, 1) * hot + (1 - lam).view(-1, 1) * hot[partner]
        loss = -(soft * model(mixed)).sum(1).mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
        cycle.step()
        mean += loss.item() / len(loader)
    model.eval()
    with torch.no_grad():
        acc = (model(xb).argmax(1) == yb).float().mean().item()
    print(f"epoch {epoch:2d} lr {cycle.get_last_lr()[0]:.4f} mixed loss {mean:.4f} accuracy {acc:.4f}")
