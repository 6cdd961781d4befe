"""Deep Q-learning on a corridor, with a target network and a replay buffer."""

import copy
import random
from collections import deque

import torch
import torch.nn.functional as F
from torch import nn

random.seed(0)
torch.manual_seed(0)
LENGTH, GAMMA = 6, 0.9
q_net = nn.Sequential(nn.Linear(LENGTH, 32), nn.ReLU(), nn.Linear(32, 2))
target_net = copy.deepcopy(q_net)
optimizer = torch.optim.Adam(q_net.parameters(), lr=5e-3)
memory = deque(maxlen=500)


def state_of(place):
    return F.one_hot(torch.tensor(place), LENGTH).float()


step = 0
for episode in range(25):
    place = 0
    for _ in range(15):
        if random.random() < max(0.1, 1 - episode / 15):
            action = random.randrange(2)
        else:
            action = q_net(state_of(place)).argmax().item()
        after = max(0, place + (1 if action else -1))
        done = after == LENGTH - 1
        memory.append((place, action, after, float(done), done))
        place = after
        if len(memory) >= 32:
            batch = random.sample(memory, 32)
            s = torch.stack([state_of(b[0]) for b in batch])
            a = torch.tensor([b[1] for b in batch])
            n = torch.stack([state_of(b[2]) for b in batch])
            r = torch.tensor([b[3] for b in batch])
            d = torch.tensor([float(b[4]) for b in batch])
            with torch.no_grad():
                goal = r + GAMMA * (1 - d) * target_net(n).amax(dim=1)
            q = q_net(s).gather(1, a.unsqueeze(1)).squeeze(1)
            loss = F.smooth_l1_loss(q, goal)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
            if step % 25 == 0:
                target_net.load_state_dict(q_net.state_dict())
        if done:
            break
