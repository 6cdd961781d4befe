"""Layers whose sizes are by chance those of the batch; beams, and a pyramid."""

import torch
import torch.nn.functional as F
from torch import nn


class Pyramid(nn.Module):
    """Two steps in time become one, as in Listen, Attend and Spell."""

    def __init__(self):
        super().__init__()
        self.first = nn.GRU(16, 16, batch_first=True)
        self.second = nn.GRU(32, 32, batch_first=True)
        self.heads = 2
        self.mix = nn.Linear(32, 64)
        self.out = nn.Linear(64, 32)

    def forward(self, x):
        n, length, width = x.shape
        h, _ = self.first(x)
        h = h.reshape(n, length // 2, 2 * width)
        h, _ = self.second(h)
        each = self.mix(h).view(n * length // 2, self.heads, 32).mean(dim=1)
        both = torch.cat([h.reshape(n * length // 2, 32), each], dim=1)
        return self.out(both).view(n, length // 2, 32)


def beam(model, x, width=4):
    """The best few of the last step, beams and words in one row."""
    with torch.no_grad():
        wide = x.repeat_interleave(width, dim=0)
        scores = model(wide)[:, -1].log_softmax(dim=-1)
        batch_size = len(x)
        return scores.view(batch_size, width * 32).topk(width).indices


torch.manual_seed(0)
model = Pyramid()
x = torch.randn(320, 64, 16)
y = (x[:, ::2, 0] > 0).long() + 2 * (x[:, ::2, 1] > 0).long()
optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
for step in range(60):
    rows = torch.randint(320, (32,))
    logits = model(x[rows])
    loss = F.cross_entropy(logits.reshape(-1, 32), y[rows].reshape(-1))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 20 == 19:
        model.eval()
        best = beam(model, x[:32])
        model.train()
        print(step, loss.item(), best.shape)
