"""Lower the rate when the validation loss no longer falls."""

import torch
from torch.optim import SGD
from torch.optim.lr_scheduler import ReduceLROnPlateau


def split(x, y, part=0.8):
    order = torch.randperm(len(x))
    cut = int(part * len(x))
    return (x[order[:cut]], y[order[:cut]]), (x[order[cut:]], y[order[cut:]])


def epoch_loss(model, data, optimizer=None):
    x, y = data
    model.train(optimizer is not None)
    total = 0.0
    with torch.set_grad_enabled(optimizer is not None):
        for rows in (
            torch.randperm(len(x)) if optimizer else torch.arange(len(x))
        ).split(32):
            loss = torch.nn.functional.l1_loss(model(x[rows]), y[rows])
            if optimizer:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            total += loss.item() * len(rows)
    return total / len(x)


torch.manual_seed(0)
x = torch.randn(400, 3)
y = torch.stack([x[:, 0] + x[:, 1], x[:, 2].abs()], dim=1)
train, val = split(x, y)
model = torch.nn.Sequential(
    torch.nn.Linear(3, 48),
    torch.nn.LeakyReLU(),
    torch.nn.Dropout(0.05),
    torch.nn.Linear(48, 2),
)
optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
scheduler = ReduceLROnPlateau(optimizer, mode="min", factor=0.5, patience=2)
for epoch in range(20):
    train_loss = epoch_loss(model, train, optimizer)
    val_loss = epoch_loss(model, val)
    scheduler.step(val_loss)
    print(
        epoch, round(train_loss, 4), round(val_loss, 4), optimizer.param_groups[0]["lr"]
    )
