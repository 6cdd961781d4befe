import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset


def load_data(n=400):
    X = np.random.randn(n, 6)
    y = X @ np.array([1.0, -2.0, 0.5, 0.0, 3.0, -1.0]) + 0.1 * np.random.randn(n)
    return X, y


def shuffle_data(X, y):
    state = np.random.get_state()
    np.random.shuffle(X)
    np.random.set_state(state)
    np.random.shuffle(y)
    return X, y


np.random.seed(42)
torch.manual_seed(42)
X, y = load_data()
X, y = shuffle_data(X, y)
X = torch.tensor(X, dtype=torch.float32)
y = torch.tensor(y, dtype=torch.float32).view(-1, 1)
train_loader = DataLoader(TensorDataset(X[:320], y[:320]), batch_size=16, shuffle=True)

net = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 1))
opt = torch.optim.Adam(net.parameters(), lr=0.01)
loss_fn = nn.MSELoss()
for epoch in range(15):
    total = 0.0
    for xb, yb in train_loader:
        opt.zero_grad()
        loss = loss_fn(net(xb), yb)
        loss.backward()
        opt.step()
        total += loss.item()
    print(f"epoch {epoch}: {total / len(train_loader):.3f}")
