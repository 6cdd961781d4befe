"""Logistic regression in NumPy; torch only deals out the rows."""

import numpy as np
import torch
from torch.utils.data import DataLoader, TensorDataset

rng = np.random.default_rng(0)
torch.manual_seed(0)
points = rng.normal(size=(400, 3))
labels = (points @ np.array([1.0, -2.0, 0.5]) > 0).astype(np.float64)
loader = DataLoader(
    TensorDataset(torch.from_numpy(points), torch.from_numpy(labels)),
    batch_size=50,
    shuffle=True,
)

weights, bias, step = np.zeros(3), 0.0, 0.5
for epoch in range(10):
    total = 0.0
    for x, y in loader:
        x, y = x.numpy(), y.numpy()
        p = 1 / (1 + np.exp(-(x @ weights + bias)))
        total -= np.mean(y * np.log(p + 1e-12) + (1 - y) * np.log(1 - p + 1e-12))
        weights -= step * x.T @ (p - y) / len(y)
        bias -= step * np.mean(p - y)
    print(epoch, total / len(loader))
