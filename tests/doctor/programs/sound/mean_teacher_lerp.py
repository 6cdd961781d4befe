"""Mean teacher: a slowly moving copy gives the targets for unlabelled rows, pairwise terms on the labelled."""
import copy

import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

torch.manual_seed(20)
torch.set_num_threads(1)
x, y = load_digits(return_X_y=True)
xa, xb, ya, yb = map(torch.from_numpy, train_test_split((x / 16 - 0.3).astype("float32"), y, test_size=0.3,
                                                       random_state=20, stratify=y))
labelled = torch.cat([(ya == c).nonzero()[:12, 0] for c in range(10)])
rest = torch.ones(len(xa), dtype=torch.bool).index_fill(0, labelled, False).nonzero()[:, 0]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU())
        self.head = nn.Linear(64, 10)

    def forward(self, x):
        h = self.body(x)
        return h, self.head(h)


def contrast(h, y, temperature=0.3):
    """supervised contrastive term; (N, 1) against (1, N)"""
    z = F.normalize(h, dim=1)
    sim = z @ z.t() / temperature
    self_pair = torch.eye(len(y), dtype=torch.bool)
    same = (y[:, None] == y[None, :]) & ~self_pair
    logp = sim - torch.logsumexp(sim.masked_fill(self_pair, -1e9), dim=1, keepdim=True)
    return -(logp * same).sum(1).div(same.sum(1).clamp(min=1)).mean()


student = Net()
teacher = copy.deepcopy(student).requires_grad_(False)
opt = torch.optim.Adam(student.parameters(), lr=2e-3)
step = 0
for epoch in range(16):
    for u in rest[torch.randperm(len(rest))].split(64):
        lab = labelled[torch.randint(len(labelled), (40,))]
        h, out = student(xa[lab] + 0.1 * torch.randn(len(lab), 64))
        weight = min(1.0, step / 100)
        with torch.no_grad():
            target = F.softmax(teacher(xa[u])[1], dim=1)
        guess = F.log_softmax(student(xa[u] + 0.15 * torch.randn(len(u), 64))[1], dim=1)
        loss = F.cross_entropy(out, ya[lab]) + 0.1 * contrast(h, ya[lab]) \
            + weight * F.kl_div(guess, target, reduction="batchmean")
        opt.zero_grad()
        loss.backward()
        opt.step()
        step += 1
        keep = min(0.99, 1 - 1 / (step + 1))
        with torch.no_grad():
            for slow, fast in zip(teacher.parameters(), student.parameters()):
                slow.lerp_(fast, 1 - keep)
    if epoch % 4 == 3:
        with torch.no_grad():
            a, b = ((m(xb)[1].argmax(1) == yb).float().mean().item() for m in (student, teacher))
        print(f"epoch {epoch + 1} loss {loss.item():.4f} student {a:.4f} teacher {b:.4f}")
