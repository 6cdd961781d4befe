"""DQN on a small grid world: walk from the top left to the bottom right, around the holes."""
import copy
import random
from collections import deque

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

CFG = dict(episodes=240, gamma=0.95, lr=1e-3, batch_size=64, buffer=5000, sync_every=50, eps_start=1.0,
           eps_end=0.05, eps_decay=140, hidden=64, max_steps=40, seed=0)
random.seed(CFG["seed"])
np.random.seed(CFG["seed"])
torch.manual_seed(CFG["seed"])
torch.set_num_threads(1)


class Grid:
    SIZE, HOLES = 4, {(1, 1), (2, 3)}
    MOVES = [(-1, 0), (1, 0), (0, -1), (0, 1)]

    def reset(self):
        self.pos, self.t = (0, 0), 0
        return self.obs()

    def obs(self):
        o = np.zeros((self.SIZE, self.SIZE), dtype=np.float32)
        o[self.pos] = 1.0
        return o.ravel()

    def step(self, a):
        r, c = self.pos[0] + self.MOVES[a][0], self.pos[1] + self.MOVES[a][1]
        self.pos = (min(max(r, 0), self.SIZE - 1), min(max(c, 0), self.SIZE - 1))
        self.t += 1
        if self.pos in self.HOLES:
            return self.obs(), -1.0, True
        if self.pos == (self.SIZE - 1, self.SIZE - 1):
            return self.obs(), 1.0, True
        return self.obs(), -0.02, False


def q_net():
    return nn.Sequential(nn.Linear(16, CFG["hidden"]), nn.ReLU(), nn.Linear(CFG["hidden"], CFG["hidden"]), nn.ReLU(),
                         nn.Linear(CFG["hidden"], 4))


class Agent:
    def __init__(self):
        self.online = q_net()
        self.target = copy.deepcopy(self.online).requires_grad_(False)
        self.optimizer = torch.optim.Adam(self.online.parameters(), lr=CFG["lr"])
        self.memory = deque(maxlen=CFG["buffer"])
        self.updates = 0

    def act(self, obs, eps):
        if random.random() < eps:
            return random.randrange(4)
        with torch.no_grad():
            return self.online(torch.from_numpy(obs)).argmax().item()

    def learn(self):
        if len(self.memory) < 4 * CFG["batch_size"]:
            return None
        s, a, r, s2, done = zip(*random.sample(self.memory, CFG["batch_size"]))
        s, s2 = torch.from_numpy(np.stack(s)), torch.from_numpy(np.stack(s2))
        a, r, done = torch.tensor(a), torch.tensor(r), torch.tensor(done, dtype=torch.float32)
        q = self.online(s).gather(1, a[:, None]).squeeze(1)
        with torch.no_grad():
            y = r + CFG["gamma"] * (1 - done) * self.target(s2).max(1).values
        loss = F.smooth_l1_loss(q, y)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.updates += 1
        if self.updates % CFG["sync_every"] == 0:
            self.target.load_state_dict(self.online.state_dict())
        return loss.item()


env, agent = Grid(), Agent()
returns, losses = [], []
for episode in range(CFG["episodes"]):
    eps = max(CFG["eps_end"], CFG["eps_start"] - episode / CFG["eps_decay"])
    obs, total, done = env.reset(), 0.0, False
    while not done and env.t < CFG["max_steps"]:
        action = agent.act(obs, eps)
        nxt, reward, done = env.step(action)
        agent.memory.append((obs, action, reward, nxt, done))
        obs, total = nxt, total + reward
        loss = agent.learn()
        if loss is not None:
            losses.append(loss)
    returns.append(total)
    if (episode + 1) % 30 == 0:
        recent = np.mean(losses[-200:]) if losses else 0.0
        print(f"episode {episode + 1:4d}  return {np.mean(returns[-30:]):6.2f}  loss {recent:.4f}  eps {eps:.2f}")

obs, done, path = env.reset(), False, [(0, 0)]
while not done and env.t < 20:
    obs, reward, done = env.step(agent.act(obs, 0.0))
    path.append(env.pos)
print("greedy path:", path, "reward", reward)
