"""Two towers, one of them used twice; evaluation while training."""

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
users, items = torch.randn(200, 6), torch.randn(200, 9)
likes = (users[:, 0] * items[:, 0] > 0).float()
tower_u = nn.Sequential(nn.Linear(6, 24), nn.ReLU(), nn.Linear(24, 8))
tower_i = nn.Sequential(nn.Linear(9, 24), nn.ReLU(), nn.Dropout(0.1), nn.Linear(24, 8))
parameters = [*tower_u.parameters(), *tower_i.parameters()]
optimizer = torch.optim.Adam(parameters, lr=5e-3)


def score(rows):
    return (tower_u(users[rows]) * tower_i(items[rows])).sum(1)


for epoch in range(8):
    for rows in torch.randperm(160).split(20):
        other = rows[torch.randperm(20)]
        apart = F.cosine_similarity(tower_i(items[rows]), tower_i(items[other])).mean()
        loss = F.binary_cross_entropy_with_logits(score(rows), likes[rows])
        loss = loss + 0.01 * apart
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    tower_u.eval(), tower_i.eval()
    with torch.no_grad():
        print(
            ((score(torch.arange(160, 200)) > 0) == likes[160:]).float().mean().item()
        )
    tower_u.train(), tower_i.train()
