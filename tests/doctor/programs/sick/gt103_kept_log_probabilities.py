"""REINFORCE with baseline on a 5x5 grid (start top-left, goal bottom-right, step cost)."""
from collections import deque

import numpy as np
import torch
import torch.nn as nn
from torch.distributions import Categorical

torch.manual_seed(0)
np.random.seed(0)
torch.set_num_threads(1)

SIZE, MAX_STEPS, GAMMA = 5, 30, 0.98
MOVES = [(-1, 0), (1, 0), (0, -1), (0, 1)]


class Grid:
    def reset(self):
        self.r = self.c = self.t = 0
        return self._obs()

    def _obs(self):
        o = torch.zeros(SIZE * SIZE)
        o[self.r * SIZE + self.c] = 1.0
        return o

    def step(self, action):
        dr, dc = MOVES[action]
        self.r = min(max(self.r + dr, 0), SIZE - 1)
        self.c = min(max(self.c + dc, 0), SIZE - 1)
        self.t += 1
        goal = self.r == SIZE - 1 and self.c == SIZE - 1
        return self._obs(), (1.0 if goal else -0.04), goal or self.t >= MAX_STEPS


class Memory:
    def __init__(self):
        self.log_probs, self.rewards = [], []

    def add(self, log_prob, reward):
        self.log_probs.append(log_prob.item())
        self.rewards.append(reward)

    def returns(self):
        out, g = [], 0.0
        for r in reversed(self.rewards):
            g = r + GAMMA * g
            out.append(g)
        return torch.tensor(out[::-1])

    def stacked_log_probs(self):
        return torch.tensor(self.log_probs, requires_grad=True)


policy = nn.Sequential(nn.Linear(SIZE * SIZE, 32), nn.Tanh(), nn.Linear(32, 4))
optimizer = torch.optim.Adam(policy.parameters(), lr=0.01)
env = Grid()
recent = deque(maxlen=50)
baseline = 0.0

for episode in range(300):
    obs, done, memory = env.reset(), False, Memory()
    while not done:
        dist = Categorical(logits=policy(obs))
        action = dist.sample()
        obs, reward, done = env.step(action.item())
        memory.add(dist.log_prob(action), reward)
    ret = memory.returns()
    advantage = ret - baseline
    baseline = 0.95 * baseline + 0.05 * ret.mean().item()
    loss = -(memory.stacked_log_probs() * advantage).mean()
    optimizer.zero_grad()
    loss.backward()  # sick
    optimizer.step()
    recent.append(sum(memory.rewards))
    if (episode + 1) % 50 == 0:
        print(f"episode {episode + 1:4d}  mean return of the last 50: {np.mean(recent):.3f}")
