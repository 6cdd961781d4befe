"""Functions of the epoch, once an epoch; some reckon in steps."""

import torch
from torch import nn
from torch.optim import lr_scheduler
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
x = torch.randn(240, 5)
y = (x[:, 0] * x[:, 1] > 0).long()
loader = DataLoader(TensorDataset(x, y), batch_size=16, shuffle=True)
EPOCHS = 10


def train(make_scheduler, per_batch):
    model = nn.Sequential(nn.Linear(5, 32), nn.ReLU(), nn.Linear(32, 2))
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    scheduler = make_scheduler(optimizer)
    for epoch in range(EPOCHS):
        for inputs, labels in loader:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(inputs), labels)
            loss.backward()
            optimizer.step()
            if per_batch:
                scheduler.step()
        if not per_batch:
            scheduler.step()
    return loss.item()


steps_per_epoch = len(loader)
total_steps = EPOCHS * steps_per_epoch
warmup_steps = 2 * steps_per_epoch


def from_steps(epoch):
    step = epoch * steps_per_epoch
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    return max(0.05, 1 - step / total_steps)


makers = [
    lambda o: lr_scheduler.LambdaLR(o, lambda epoch: 0.95**epoch),
    lambda o: lr_scheduler.LambdaLR(o, from_steps),
    lambda o: lr_scheduler.LambdaLR(o, lambda e: 1 - e * steps_per_epoch / total_steps),
    lambda o: lr_scheduler.LambdaLR(o, lambda step: 0.9**step),
    lambda o: lr_scheduler.LambdaLR(o, lambda step: min(1.0, 0.1 + 0.3 * step)),
    lambda o: lr_scheduler.LinearLR(o, start_factor=0.1, total_iters=3),
    lambda o: lr_scheduler.LinearLR(o, start_factor=0.5, total_iters=EPOCHS),
    lambda o: lr_scheduler.ExponentialLR(o, gamma=0.9),
]
for make in makers:
    print(train(make, per_batch=False))
