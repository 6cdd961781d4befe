import copy

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
q = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 2))
target = copy.deepcopy(q)
optimizer = torch.optim.Adam(q.parameters(), lr=1e-3)
state = torch.zeros(16, 2)
for step in range(200):
    action = torch.randint(2, (16,))
    following = (state + 0.1 * (2 * action[:, None] - 1)).clamp(-1, 1)
    reward = following[:, 0]
    with torch.no_grad():
        wanted = reward + 0.95 * target(following).max(dim=1).values
    value = q(state).gather(1, action[:, None]).squeeze(1)
    loss = F.smooth_l1_loss(value, wanted)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    state = following
    if step % 50 == 0:
        target.load_state_dict(q.state_dict())
