"""1-D CNN: tell four kinds of waveforms apart."""
import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, Dataset

np.random.seed(4)
torch.manual_seed(4)
torch.set_num_threads(1)
KINDS = ["sine", "square", "saw", "chirp"]


def wave(kind, n=64):
    t = np.linspace(0, 1, n)
    f, phase = np.random.uniform(2, 5), np.random.uniform(0, 2 * np.pi)
    arg = 2 * np.pi * f * t + phase
    if kind == "sine":
        s = np.sin(arg)
    elif kind == "square":
        s = np.sign(np.sin(arg))
    elif kind == "saw":
        s = 2 * ((arg / (2 * np.pi)) % 1) - 1
    else:
        s = np.sin(arg + 6 * np.pi * t ** 2)
    return s + 0.5 * np.random.randn(n)


class WaveDataset(Dataset):
    def __init__(self, per_kind):
        self.samples, self.labels = [], []
        for label, kind in enumerate(KINDS):
            for _ in range(per_kind):
                self.samples.append(wave(kind))
                self.labels.append(label)
        self.samples = np.array(self.samples, dtype=np.float32)

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, i):
        return torch.from_numpy(self.samples[i]).unsqueeze(0), self.labels[i]


class WaveNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv1d(1, 16, 7, padding=3), nn.ReLU(), nn.MaxPool1d(2),
            nn.Conv1d(16, 32, 5, padding=2), nn.ReLU(), nn.MaxPool1d(2),
            nn.Conv1d(32, 32, 3, padding=1), nn.ReLU(), nn.AdaptiveMaxPool1d(1),
        )
        self.fc = nn.Linear(32, len(KINDS))

    def forward(self, x):
        return self.fc(self.conv(x).squeeze(-1))


def get_dataloaders(batch_size):
    train_set, test_set = WaveDataset(400), WaveDataset(100)
    params = {"batch_size": batch_size, "num_workers": 0, "drop_last": False}
    return DataLoader(train_set, shuffle=True, **params), DataLoader(test_set, **params)


def accuracy(model, loader):
    model.eval()
    hits = 0
    with torch.no_grad():
        for x, y in loader:
            hits += (model(x).argmax(1) == y).sum().item()
    return hits / len(loader.dataset)


train_loader, test_loader = get_dataloaders(32)
model = WaveNet()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
criterion = nn.CrossEntropyLoss()

for epoch in range(1, 16):
    model.train()
    losses = []
    for x, y in train_loader:
        loss = criterion(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    print(f"epoch {epoch:2d}  loss {np.mean(losses):.4f}  test accuracy {accuracy(model, test_loader):.3f}")
