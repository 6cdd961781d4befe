"""REINFORCE on a corridor: walk right to the goal."""

import torch
import torch.nn as nn
import torch.optim as optim
from torch.distributions import Categorical

LENGTH, GAMMA = 6, 0.95


class Corridor:
    def reset(self):
        self.place, self.time = LENGTH // 2, 0
        return self.state()

    def state(self):
        s = torch.zeros(LENGTH)
        s[self.place] = 1.0
        return s

    def step(self, action):
        self.time += 1
        self.place = max(0, min(LENGTH - 1, self.place + (1 if action else -1)))
        reached = self.place == LENGTH - 1
        return self.state(), 1.0 if reached else -0.1, reached or self.time >= 15


class Policy(nn.Module):
    def __init__(self):
        super().__init__()
        self.affine1 = nn.Linear(LENGTH, 24)
        self.affine2 = nn.Linear(24, 2)
        self.saved_log_probs = []
        self.rewards = []

    def forward(self, x):
        x = torch.relu(self.affine1(x))
        return torch.softmax(self.affine2(x), dim=1)


torch.manual_seed(543)
policy = Policy()
optimizer = optim.Adam(policy.parameters(), lr=1e-2)
env = Corridor()
eps = 1e-6


def select_action(state):
    probs = policy(state.unsqueeze(0))
    m = Categorical(probs)
    action = m.sample()
    policy.saved_log_probs.append(m.log_prob(action))
    return action.item()


def finish_episode():
    R, returns = 0, []
    for r in policy.rewards[::-1]:
        R = r + GAMMA * R
        returns.insert(0, R)
    returns = torch.tensor(returns)
    if len(returns) > 1:
        returns = (returns - returns.mean()) / (returns.std() + eps)
    policy_loss = [-lp * R for lp, R in zip(policy.saved_log_probs, returns)]
    optimizer.zero_grad()
    torch.cat(policy_loss).sum().backward()
    optimizer.step()
    del policy.rewards[:]
    del policy.saved_log_probs[:]


running = 0.0
for episode in range(80):
    state, ep_reward, done = env.reset(), 0.0, False
    while not done:
        action = select_action(state)
        state, reward, done = env.step(action)
        policy.rewards.append(reward)
        ep_reward += reward
    running = 0.1 * ep_reward + 0.9 * running
    finish_episode()
    if episode % 20 == 0:
        print(f"Episode {episode}\tLast {ep_reward:.2f}\tAverage {running:.2f}")
