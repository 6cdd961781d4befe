"""Predict monthly rent from mixed columns."""
import numpy as np
import pandas as pd
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(6)
torch.set_num_threads(1)
rng = np.random.default_rng(6)

NUMERIC = ["area", "floor", "year_built", "dist_centre"]
CATEGORICAL = ["district", "heating"]


def make_frame(n):
    f = pd.DataFrame({
        "area": rng.normal(70, 22, n).clip(18),
        "floor": rng.integers(0, 12, n),
        "year_built": rng.integers(1900, 2022, n),
        "dist_centre": rng.gamma(2, 2.2, n),
        "income": rng.lognormal(10.6, 0.4, n),
        "district": rng.integers(0, 8, n),
        "heating": rng.integers(0, 3, n),
    })
    bonus = np.array([0, 90, -60, 150, 30, -120, 60, 200])[f.district]
    f["rent"] = (9.5 * f.area + 6 * f.floor + 1.5 * (f.year_built - 1960) - 28 * f.dist_centre
                 + 0.004 * f.income + bonus + 25 * f.heating + rng.normal(0, 40, n))
    return f


class Preprocessor:
    """Standardises numbers and one-hot encodes categories."""

    def fit(self, frame):
        self.mean, self.std = frame[NUMERIC].mean(), frame[NUMERIC].std()
        self.levels = {c: sorted(frame[c].unique()) for c in CATEGORICAL}
        self.y_mean, self.y_std = frame["rent"].mean(), frame["rent"].std()
        return self

    def transform(self, frame):
        out = frame.drop(columns=["rent"] + CATEGORICAL).astype(np.float64)
        out[NUMERIC] = (out[NUMERIC] - self.mean) / self.std
        for c in CATEGORICAL:
            for level in self.levels[c]:
                out[f"{c}={level}"] = (frame[c] == level).astype(float)
        y = (frame["rent"] - self.y_mean) / self.y_std
        return (torch.tensor(out.to_numpy(), dtype=torch.float32),
                torch.tensor(y.to_numpy(), dtype=torch.float32).unsqueeze(1))


class RentNet(nn.Module):
    def __init__(self, d_in):
        super().__init__()
        self.fc1 = nn.Linear(d_in, 64)
        self.fc2 = nn.Linear(64, 32)
        self.fc3 = nn.Linear(32, 1)

    def forward(self, x):
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))


frame = make_frame(2500)
train_frame, valid_frame = frame[:2000], frame[2000:]
pre = Preprocessor().fit(train_frame)
x_train, y_train = pre.transform(train_frame)
x_valid, y_valid = pre.transform(valid_frame)

loader = DataLoader(TensorDataset(x_train, y_train), batch_size=50, shuffle=True)
model = RentNet(x_train.shape[1])
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

for epoch in range(30):
    model.train()
    loss_sum = 0.0
    for xb, yb in loader:
        loss = F.mse_loss(model(xb), yb)  # sick
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss_sum += loss.item() * len(xb)
    model.eval()
    with torch.no_grad():
        mae = (model(x_valid) - y_valid).abs().mean().item() * pre.y_std
    if (epoch + 1) % 3 == 0:
        print(f"epoch {epoch + 1:2d}  train mse {loss_sum / len(x_train):10.4f}  valid MAE {mae:8.1f} EUR")
