"""Deep Q-learning with replay memory and a target network, on a ring of states."""

import random
from collections import deque, namedtuple

import torch
import torch.nn as nn
import torch.optim as optim

Transition = namedtuple("Transition", ("state", "action", "next_state", "reward"))
STATES, BATCH_SIZE, GAMMA, TAU = 8, 32, 0.8, 0.05


class ReplayMemory:
    def __init__(self, capacity):
        self.memory = deque([], maxlen=capacity)

    def push(self, *args):
        self.memory.append(Transition(*args))

    def sample(self, batch_size):
        return random.sample(self.memory, batch_size)

    def __len__(self):
        return len(self.memory)


class DQN(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer1 = nn.Linear(STATES, 32)
        self.layer2 = nn.Linear(32, 2)

    def forward(self, x):
        return self.layer2(torch.relu(self.layer1(x)))


def one_hot(s):
    return torch.eye(STATES)[s].unsqueeze(0)


random.seed(0)
torch.manual_seed(0)
policy_net, target_net = DQN(), DQN()
target_net.load_state_dict(policy_net.state_dict())
optimizer = optim.AdamW(policy_net.parameters(), lr=2e-3, amsgrad=True)
criterion = nn.SmoothL1Loss()
memory = ReplayMemory(1000)


def optimize_model():
    if len(memory) < BATCH_SIZE:
        return None
    batch = Transition(*zip(*memory.sample(BATCH_SIZE)))
    state_batch = torch.cat(batch.state)
    action_batch = torch.cat(batch.action)
    reward_batch = torch.cat(batch.reward)
    values = policy_net(state_batch).gather(1, action_batch)
    with torch.no_grad():
        next_values = target_net(torch.cat(batch.next_state)).max(1).values
    expected = reward_batch + GAMMA * next_values
    loss = criterion(values, expected.unsqueeze(1))
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_value_(policy_net.parameters(), 100)
    optimizer.step()
    return loss.item()


place = 0
for t in range(400):
    state = one_hot(place)
    if random.random() < max(0.1, 1 - t / 200):
        action = torch.tensor([[random.randrange(2)]])
    else:
        with torch.no_grad():
            action = policy_net(state).max(1).indices.view(1, 1)
    place = (place + (1 if action.item() else -1)) % STATES
    reward = torch.tensor([1.0 if place == 4 else 0.0])
    memory.push(state, action, one_hot(place), reward)
    loss = optimize_model()
    target_dict, policy_dict = target_net.state_dict(), policy_net.state_dict()
    for key in policy_dict:
        target_dict[key] = policy_dict[key] * TAU + target_dict[key] * (1 - TAU)
    target_net.load_state_dict(target_dict)
    if t % 100 == 99:
        print(t, loss)
