import random

import torch
from torch import nn

random.seed(3)
torch.manual_seed(3)


def make_samples(n):
    points, names = [], []
    for _ in range(n):
        label = random.randrange(3)
        points.append([random.gauss(label, 0.4), random.gauss(-label, 0.4)])
        names.append(label)
    return points, names


def batches(points, names, size):
    pairs = list(zip(points, names, strict=True))
    random.shuffle(pairs)
    points, names = zip(*pairs, strict=True)
    for start in range(0, len(points), size):
        yield (
            torch.tensor(points[start : start + size]),
            torch.tensor(names[start : start + size]),
        )


points, names = make_samples(240)
model = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 3))
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for epoch in range(10):
    for x, y in batches(points, names, 24):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
