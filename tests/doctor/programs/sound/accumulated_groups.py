"""Micro-batches of 8 with gradient accumulation up to an effective batch of 32."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
torch.set_num_threads(1)
MICRO, ACCUM = 8, 4

digits = load_digits()
x = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 8.0 - 1.0
y = torch.tensor(digits.target)
perm = torch.randperm(len(x))
x, y = x[perm], y[perm]
train_set, valid_set = TensorDataset(x[:1403], y[:1403]), TensorDataset(x[1403:], y[1403:])
train_loader = DataLoader(train_set, batch_size=MICRO, shuffle=True)
valid_loader = DataLoader(valid_set, batch_size=197)

model = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1), nn.GroupNorm(4, 16), nn.SiLU(), nn.MaxPool2d(2),
    nn.Conv2d(16, 32, 3, padding=1), nn.GroupNorm(4, 32), nn.SiLU(), nn.MaxPool2d(2),
    nn.Flatten(), nn.Linear(128, 10),
)
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-2)


def accumulate(loader):
    """Yields lists of up to ACCUM micro-batches."""
    group = []
    for batch in loader:
        group.append(batch)
        if len(group) == ACCUM:
            yield group
            group = []
    if group:
        yield group


for epoch in range(8):
    model.train()
    total = 0.0
    for group in accumulate(train_loader):
        n_group = sum(len(yb) for _, yb in group)
        for xb, yb in group:
            # every micro-batch counts with its share of the group
            loss = F.cross_entropy(model(xb), yb, reduction="sum") / n_group
            loss.backward()
            total += loss.item() * n_group
        nn.utils.clip_grad_norm_(model.parameters(), 2.0)
        optimizer.step()
        optimizer.zero_grad()
    model.eval()
    with torch.no_grad():
        hits = sum((model(xb).argmax(1) == yb).sum().item() for xb, yb in valid_loader)
    print(f"epoch {epoch + 1}  train loss {total / len(train_set):.4f}  valid accuracy {hits / len(valid_set):.4f}")
