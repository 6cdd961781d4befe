"""LSTM forecast of hourly power load (synthetic)."""
import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, Dataset

np.random.seed(12)
torch.manual_seed(12)
torch.set_num_threads(1)

WINDOW = 24


def series(n=2600):
    t = np.arange(n)
    day = np.sin(2 * np.pi * t / 24) + 0.4 * np.sin(4 * np.pi * t / 24 + 1)
    amp = 1 + 0.5 * np.sin(2 * np.pi * t / 311)
    ar = np.zeros(n)
    for i in range(2, n):
        ar[i] = 1.5 * ar[i - 1] - 0.8 * ar[i - 2] + 0.15 * np.random.randn()
    temp = np.cos(2 * np.pi * t / 24) + 0.3 * np.random.randn(n)
    load = amp * day + ar
    return np.stack([load, temp], 1).astype(np.float32)


class Windows(Dataset):
    def __init__(self, values):
        self.values = torch.from_numpy(values)

    def __len__(self):
        return len(self.values) - WINDOW

    def __getitem__(self, i):
        return self.values[i:i + WINDOW], self.values[i + WINDOW, 0]


class Forecaster(nn.Module):
    def __init__(self, n_features=2, hidden=32, layers=1):
        super().__init__()
        self.lstm = nn.LSTM(input_size=n_features, hidden_size=hidden, num_layers=layers, batch_first=True)
        self.head = nn.Sequential(nn.Linear(hidden, 16), nn.ReLU(), nn.Linear(16, 1))

    def forward(self, x):
        out, _ = self.lstm(x)
        return self.head(out[:, -1]).squeeze(-1)


data = series()
n_train = 2000
mean, std = data[:n_train].mean(0), data[:n_train].std(0)
data = (data - mean) / std
train_loader = DataLoader(Windows(data[:n_train]), batch_size=32, shuffle=True)
test_loader = DataLoader(Windows(data[n_train:]), batch_size=64)

model = Forecaster()
criterion = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)

best = float("inf")
for epoch in range(1, 13):
    model.train()
    train_loss = 0.0
    for x, y in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        train_loss += loss.item() * len(x)
    model.eval()
    test_loss = 0.0
    with torch.no_grad():
        for x, y in test_loader:
            test_loss += criterion(model(x), y).item() * len(x)
    train_loss /= len(train_loader.dataset)
    test_loss /= len(test_loader.dataset)
    best = min(best, test_loss)
    print(f"Epoch {epoch:3d}  train MSE {train_loss:.4f}  test MSE {test_loss:.4f}")
print(f"best test MSE: {best:.4f}")
