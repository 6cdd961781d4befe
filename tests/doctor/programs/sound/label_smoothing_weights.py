"""Rare classes weigh more, and labels are smoothed."""

from collections import Counter

import torch
from torch.nn import CrossEntropyLoss, Linear, Mish, Sequential
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(21)
labels = torch.multinomial(torch.tensor([0.6, 0.3, 0.1]), 600, replacement=True)
x = torch.randn(3, 5)[labels] * 1.2 + 0.8 * torch.randn(600, 5)
counts = Counter(labels.tolist())
weight = torch.tensor([600 / (3 * counts[c]) for c in range(3)])
criterion = CrossEntropyLoss(weight=weight, label_smoothing=0.1)
model = Sequential(Linear(5, 32), Mish(), Linear(32, 3))
optimizer = torch.optim.NAdam(model.parameters(), lr=3e-3)
loader = DataLoader(TensorDataset(x, labels), batch_size=50, shuffle=True)
for epoch in range(8):
    for inputs, targets in loader:
        optimizer.zero_grad()
        loss = criterion(model(inputs), targets)
        loss.backward()
        optimizer.step()
    print("epoch", epoch, "loss", round(loss.item(), 4))
