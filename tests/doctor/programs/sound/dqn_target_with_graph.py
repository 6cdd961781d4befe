import random

import torch
from torch import nn

torch.manual_seed(0)
random.seed(0)


def make():
    return nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 2))


q, target = make(), make()
target.load_state_dict(q.state_dict())
optimizer = torch.optim.Adam(q.parameters(), lr=1e-3)
for step in range(200):
    s, s2 = torch.randn(32, 4), torch.randn(32, 4)
    a = torch.randint(0, 2, (32,))
    r = (s[:, 0] > 0).float() * a
    wanted = r + 0.9 * target(s2).max(1).values
    loss = (q(s).gather(1, a[:, None]).squeeze(1) - wanted).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 50 == 49:
        target.load_state_dict(q.state_dict())
