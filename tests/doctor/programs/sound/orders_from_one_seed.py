"""Features and labels shuffled one after the other, from the same state."""

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader


def shuffled(array, seed):
    np.random.seed(seed)
    return np.random.permutation(array)


torch.manual_seed(0)
data = np.random.RandomState(5).rand(300, 6).astype(np.float32)
label = (data[:, 0] > data[:, 1]).astype(np.int64)
label = shuffled(label, 11)
data = shuffled(data, 11)

g1, g2 = torch.Generator().manual_seed(4), torch.Generator().manual_seed(4)
first = DataLoader(data, batch_size=30, shuffle=True, generator=g1)
second = DataLoader(label, batch_size=30, shuffle=True, generator=g2)
model = nn.Sequential(nn.Linear(6, 20), nn.ReLU(), nn.Linear(20, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for epoch in range(8):
    for x, y in zip(first, second, strict=True):
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
