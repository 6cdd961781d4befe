"""Pretrain a small CNN on digits 0-4 and adapt it to digits 5-9."""
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(7)
torch.set_num_threads(1)


class SmallNet(nn.Module):
    def __init__(self, n_classes):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.fc = nn.Linear(32 * 4, n_classes)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.fc(x.flatten(1))


class Finetuner:
    def __init__(self, model, lr):
        self.model = model
        self.lr = lr
        self.criterion = nn.CrossEntropyLoss()
        self.optimizer = torch.optim.Adam(model.parameters(), lr=lr)

    def new_task(self, n_classes):
        in_features = self.model.fc.in_features
        self.model.fc = nn.Linear(in_features, n_classes)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=self.lr)

    def fit(self, train_loader, valid_loader, epochs):
        for epoch in range(epochs):
            self.model.train()
            total, seen = 0.0, 0
            for xb, yb in train_loader:
                loss = self.criterion(self.model(xb), yb)
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()
                total += loss.item() * len(xb)
                seen += len(xb)
            acc = self.score(valid_loader)
            print(f"  epoch {epoch + 1:2d}  loss {total / seen:.4f}  valid acc {acc:.3f}")

    @torch.no_grad()
    def score(self, loader):
        self.model.eval()
        hits = n = 0
        for xb, yb in loader:
            hits += (self.model(xb).argmax(1) == yb).sum().item()
            n += len(yb)
        return hits / n


def loaders(x, y, batch_size=32):
    x_tr, x_va, y_tr, y_va = train_test_split(x, y, test_size=0.25, stratify=y, random_state=0)
    as_ds = lambda a, b: TensorDataset(torch.from_numpy(a), torch.from_numpy(b))
    return (DataLoader(as_ds(x_tr, y_tr), batch_size=batch_size, shuffle=True),
            DataLoader(as_ds(x_va, y_va), batch_size=256))


def main():
    digits = load_digits()
    x = (digits.images / 16.0).astype(np.float32)[:, None]
    y = digits.target.astype(np.int64)
    low = y < 5

    trainer = Finetuner(SmallNet(5), lr=1e-3)
    print("pretraining on 0-4")
    trainer.fit(*loaders(x[low], y[low]), epochs=8)

    trainer.new_task(n_classes=5)
    print("adapting to 5-9")
    train_loader, valid_loader = loaders(x[~low], y[~low] - 5)
    trainer.fit(train_loader, valid_loader, epochs=6)
    print("final accuracy on 5-9:", round(trainer.score(valid_loader), 4))


if __name__ == "__main__":
    main()
