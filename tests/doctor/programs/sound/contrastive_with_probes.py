"""SimCLR on digits: contrastive pretraining without labels, then a linear probe on the frozen encoder."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.manual_seed(15)
torch.set_num_threads(1)
TEMPERATURE = 0.2


def augment(x):
    """random shift, random erasing and noise, drawn for every image"""
    n = len(x)
    x = F.pad(x, (1, 1, 1, 1))
    off = torch.randint(0, 3, (n, 2))
    rows = off[:, :1] + torch.arange(8)
    cols = off[:, 1:] + torch.arange(8)
    x = x[torch.arange(n)[:, None, None], 0, rows[:, :, None], cols[:, None, :]].unsqueeze(1)
    corner = torch.randint(0, 6, (n, 2))
    grid = torch.arange(8)
    inside_r = (grid >= corner[:, :1]) & (grid < corner[:, :1] + 3)
    inside_c = (grid >= corner[:, 1:]) & (grid < corner[:, 1:] + 3)
    hole = (inside_r[:, :, None] & inside_c[:, None, :]).unsqueeze(1)
    return x.masked_fill(hole, 0.0) + 0.1 * torch.randn_like(x)


encoder = nn.Sequential(
    nn.Conv2d(1, 24, 3, padding=1), nn.BatchNorm2d(24), nn.ReLU(),
    nn.Conv2d(24, 48, 3, padding=1, stride=2), nn.BatchNorm2d(48), nn.ReLU(),
    nn.Conv2d(48, 48, 3, padding=1, stride=2), nn.BatchNorm2d(48), nn.ReLU(),
    nn.Flatten(), nn.Linear(192, 64),
)
projector = nn.Sequential(nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 32))


def nt_xent(z1, z2):
    n = len(z1)
    z = F.normalize(torch.cat([z1, z2]), dim=1)
    sim = z @ z.T / TEMPERATURE
    sim.fill_diagonal_(float("-inf"))
    partner = torch.cat([torch.arange(n, 2 * n), torch.arange(n)])
    return F.cross_entropy(sim, partner)


def linear_probe(x_tr, y_tr, x_te, y_te, steps=150):
    encoder.eval()
    with torch.no_grad():
        f_tr, f_te = encoder(x_tr), encoder(x_te)
        mu, sd = f_tr.mean(0), f_tr.std(0) + 1e-6
        f_tr, f_te = (f_tr - mu) / sd, (f_te - mu) / sd
    probe = nn.Linear(64, 10)
    opt = torch.optim.Adam(probe.parameters(), lr=0.02, weight_decay=1e-4)
    for _ in range(steps):
        opt.zero_grad()
        F.cross_entropy(probe(f_tr), y_tr).backward()
        opt.step()
    with torch.no_grad():
        return (probe(f_te).argmax(1) == y_te).float().mean().item()


digits = load_digits()
x = torch.tensor(digits.images / 16.0, dtype=torch.float32).unsqueeze(1)
y = torch.tensor(digits.target)
perm = torch.randperm(len(x))
x, y = x[perm], y[perm]
x_tr, y_tr, x_te, y_te = x[:1400], y[:1400], x[1400:], y[1400:]
few = slice(0, 100)  # labels used by the probe

params = [*encoder.parameters(), *projector.parameters()]
optimizer = torch.optim.AdamW(params, lr=2e-3, weight_decay=1e-4)
print(f"probe on the random encoder: {linear_probe(x_tr[few], y_tr[few], x_te, y_te):.4f}")
for epoch in range(1, 21):
    encoder.train()
    projector.train()
    losses = []
    for idx in torch.randperm(len(x_tr)).split(140):
        xb = x_tr[idx]
        loss = nt_xent(projector(encoder(augment(xb))), projector(encoder(augment(xb))))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    if epoch % 4 == 0:
        acc = linear_probe(x_tr[few], y_tr[few], x_te, y_te)
        print(f"epoch {epoch:2d}  nt-xent {sum(losses) / len(losses):.4f}  probe accuracy {acc:.4f}")
