import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, Dataset


class SineDataset(Dataset):
    """Classify a sequence by its frequency."""

    def __init__(self, n, seed):
        rng = np.random.default_rng(seed)
        self.labels = rng.integers(0, 3, n)
        t = np.linspace(0, 1, 20)
        phase = rng.uniform(0, 6.28, (n, 1))
        freq = (1 + 2 * self.labels)[:, None]
        self.series = np.sin(6.28 * freq * t + phase) + rng.normal(0, 0.1, (n, 20))

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        x = torch.tensor(self.series[index], dtype=torch.float32).unsqueeze(-1)
        return x, int(self.labels[index])


class LSTMClassifier(nn.Module):
    def __init__(self, hidden_size=24, num_layers=1, num_classes=3):
        super().__init__()
        self.lstm = nn.LSTM(1, hidden_size, num_layers, batch_first=True)
        self.fc = nn.Linear(hidden_size, num_classes)

    def forward(self, x):
        out, (hn, cn) = self.lstm(x)
        return self.fc(out.mean(dim=1))


torch.manual_seed(0)
train_dl = DataLoader(SineDataset(300, 0), batch_size=30, shuffle=True)
valid_dl = DataLoader(SineDataset(90, 1), batch_size=90, shuffle=False)
model = LSTMClassifier()
loss_fn = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)

for epoch in range(8):
    model.train()
    for xb, yb in train_dl:
        pred = model(xb)
        loss = loss_fn(pred, yb)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.eval()
    with torch.no_grad():
        valid_loss = sum(loss_fn(model(xb), yb) for xb, yb in valid_dl) / len(valid_dl)
    print(epoch, valid_loss)
