"""Regression with validation in the middle of the epochs, plateau scheduler and early stopping."""
import contextlib
import copy
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset, random_split

torch.manual_seed(6)
torch.set_num_threads(1)


@contextlib.contextmanager
def evaluating(model):
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            yield model
    finally:
        model.train(was_training)


def friedman(n):
    x = torch.rand(n, 10)
    y = (10 * torch.sin(torch.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2 + 10 * x[:, 3] + 5 * x[:, 4])
    return 2 * x - 1, (y + torch.randn(n))[:, None]


class Standard:
    def __init__(self, y):
        self.mean, self.std = y.mean(), y.std()

    def __call__(self, y):
        return (y - self.mean) / self.std


x, y = friedman(3000)
train_set, valid_set, test_set = random_split(TensorDataset(x, y), [2000, 500, 500])
scale = Standard(y[train_set.indices])
train_loader = DataLoader(train_set, batch_size=32, shuffle=True, drop_last=True)
model = nn.Sequential(
    nn.Linear(10, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Dropout(0.05),
    nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU(),
    nn.Linear(64, 1),
)
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.3, patience=4)
criterion = nn.MSELoss()


def mse_on(subset):
    xs, ys = x[subset.indices], y[subset.indices]
    with evaluating(model):
        return criterion(model(xs), scale(ys)).item()


best, best_state, since = float("inf"), None, 0
step, running, stop = 0, 0.0, False
model.train()
for epoch in range(40):
    for xb, yb in train_loader:
        loss = criterion(model(xb), scale(yb))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        step += 1
        running = 0.98 * running + 0.02 * loss.item() if step > 1 else loss.item()
        if step % 50 == 0:
            valid = mse_on(valid_set)
            scheduler.step(valid)
            if valid < best:
                best, best_state, since = valid, copy.deepcopy(model.state_dict()), 0
            else:
                since += 1
            if step % 200 == 0:
                print(f"step {step:5d}  train {running:.4f}  valid {valid:.4f}  lr {scheduler.get_last_lr()[0]:.1e}")
            if since >= 16:
                stop = True
                break
    if stop:
        break

model.load_state_dict(best_state)
print(f"stopped at step {step}; best valid {best:.4f}; "
      f"restored valid {mse_on(valid_set):.4f}; test {mse_on(test_set):.4f}")
