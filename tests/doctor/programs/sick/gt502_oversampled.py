"""Fraud detection with rare positives."""
import numpy as np
import torch
import torch.nn as nn
from sklearn.metrics import average_precision_score, f1_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch.utils.data import DataLoader, TensorDataset

SEED = 17
rng = np.random.default_rng(SEED)
torch.manual_seed(SEED)
torch.set_num_threads(1)


def load(n=4000, d=20, rate=0.04):
    y = (rng.random(n) < rate).astype(np.int64)
    x = rng.normal(size=(n, d))
    x[y == 1, :6] += 0.8
    x[:, 10] = np.exp(x[:, 10])
    return x, y


def balance(x, y):
    pos, neg = np.flatnonzero(y == 1), np.flatnonzero(y == 0)
    extra = rng.choice(pos, size=len(neg) - len(pos), replace=True)
    keep = rng.permutation(np.concatenate([neg, pos, extra]))
    return x[keep], y[keep]


class FraudNet(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(d, 64), nn.ReLU(), nn.Dropout(0.2),
            nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.2),
            nn.Linear(64, 1),
        )

    def forward(self, x):
        return self.net(x).squeeze(-1)


def predict(model, x):
    model.eval()
    with torch.no_grad():
        return torch.sigmoid(model(x)).numpy()  # sick


def main():
    x, y = load()
    print(f"{len(y)} transactions, {y.mean():.2%} fraud")
    x, y = balance(x, y)
    x_tr, x_va, y_tr, y_va = train_test_split(x, y, test_size=0.2, stratify=y, random_state=SEED)
    scaler = StandardScaler().fit(x_tr)
    x_tr = torch.tensor(scaler.transform(x_tr), dtype=torch.float32)
    x_va = torch.tensor(scaler.transform(x_va), dtype=torch.float32)
    loader = DataLoader(TensorDataset(x_tr, torch.tensor(y_tr, dtype=torch.float32)), batch_size=64, shuffle=True)

    model = FraudNet(x.shape[1])
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    criterion = nn.BCEWithLogitsLoss()
    for epoch in range(1, 13):
        model.train()
        total = 0.0
        for xb, yb in loader:
            optimizer.zero_grad()
            loss = criterion(model(xb), yb)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(xb)
        if epoch % 2 == 0:
            p = predict(model, x_va)
            print(f"epoch {epoch:2d}  loss {total / len(x_tr):.4f}  "
                  f"AP {average_precision_score(y_va, p):.4f}  F1 {f1_score(y_va, p > 0.5):.4f}")


main()
