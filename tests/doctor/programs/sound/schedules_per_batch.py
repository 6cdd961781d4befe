"""Functions of the step, once a batch; some call it an epoch all the same."""

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
makers = [
    lambda o: lr_scheduler.LambdaLR(o, lambda epoch: 0.95 ** (epoch / steps_per_epoch)),
    lambda o: lr_scheduler.LambdaLR(o, lambda epoch: 0.995**epoch),
    lambda o: lr_scheduler.LambdaLR(o, lambda step: 1 - step / total_steps),
    lambda o: lr_scheduler.LambdaLR(o, lambda s: min(1.0, (s + 1) / 30)),
    lambda o: lr_scheduler.LambdaLR(o, lambda s: min((s + 1) ** -0.5, (s + 1) / 500)),
    lambda o: lr_scheduler.MultiplicativeLR(o, lambda epoch: 0.99),
    lambda o: lr_scheduler.ExponentialLR(o, gamma=0.98),
    lambda o: lr_scheduler.StepLR(o, step_size=5 * steps_per_epoch, gamma=0.1),
]
for make in makers:
    print(train(make, per_batch=True))
