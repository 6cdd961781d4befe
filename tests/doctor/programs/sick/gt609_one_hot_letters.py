#!/usr/bin/env python
"""Find promoter-like sequences: a 1D CNN on one-hot DNA (fake genome, planted motif)."""
import random

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

random.seed(0)
np.random.seed(0)
torch.manual_seed(0)
torch.set_num_threads(1)

ALPHABET = "ACGT"
LENGTH = 60
MOTIF = "TATAAAGG"


def random_sequence():
    return [random.choice(ALPHABET) for _ in range(LENGTH)]


def plant(seq):
    pos = random.randrange(0, LENGTH - len(MOTIF))
    for k, base in enumerate(MOTIF):
        if random.random() < 0.92:
            seq[pos + k] = base
    return seq


def one_hot(seq):
    m = np.zeros((len(seq), 4), dtype=np.float32)
    for k, base in enumerate(seq):
        m[k, ALPHABET.index(base)] = 1.0
    return m


def make_set(n):
    seqs, labels = [], []
    for i in range(n):
        s = random_sequence()
        if i % 2:
            s = plant(s)
        seqs.append(one_hot(s))
        labels.append(i % 2)
    return torch.tensor(np.stack(seqs)), torch.tensor(labels, dtype=torch.float32)


class MotifNet(nn.Module):
    def __init__(self, n_filters=24, width=9):
        super().__init__()
        self.conv = nn.Conv1d(4, n_filters, width, padding=width // 2)
        self.fc1 = nn.Linear(n_filters, 16)
        self.fc2 = nn.Linear(16, 1)

    def forward(self, onehot):
        # conv1d wants channels first
        x = onehot.view(-1, 4, LENGTH)  # sick
        x = F.relu(self.conv(x))
        x = F.max_pool1d(x, x.size(-1)).squeeze(-1)
        x = F.relu(self.fc1(x))
        return self.fc2(x).squeeze(-1)


train_x, train_y = make_set(2400)
test_x, test_y = make_set(800)
net = MotifNet()
optim = torch.optim.Adam(net.parameters(), lr=4e-3)

for epoch in range(1, 13):
    net.train()
    perm = torch.randperm(len(train_x))
    tot = 0.0
    for chunk in perm.split(48):
        optim.zero_grad()
        loss = F.binary_cross_entropy_with_logits(net(train_x[chunk]), train_y[chunk])
        loss.backward()
        optim.step()
        tot += loss.item() * len(chunk)
    net.eval()
    with torch.no_grad():
        acc = ((net(test_x) > 0).float() == test_y).float().mean().item()
    print("epoch %2d  loss %.4f  test acc %.4f" % (epoch, tot / len(train_x), acc))
