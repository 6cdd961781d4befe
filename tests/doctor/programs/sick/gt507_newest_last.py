# House prices, notebook export
# %%
import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

rng = np.random.default_rng(8)
torch.manual_seed(8)
torch.set_num_threads(1)

# %% load
n = 3000
df = pd.DataFrame({
    "area": rng.lognormal(4.5, 0.35, n),
    "rooms": rng.integers(1, 8, n),
    "age": rng.integers(0, 90, n),
    "distance": rng.gamma(2.0, 4.0, n),
    "garden": rng.integers(0, 2, n),
    "sold": pd.Timestamp("2018-01-01") + pd.to_timedelta(rng.integers(0, 1500, n), unit="D"),
})
df["price"] = (2.1 * df.area + 14 * df.rooms - 0.7 * df.age - 3.5 * df.distance
               + 25 * df.garden + rng.normal(0, 15, n))
print(df.describe().T[["mean", "std", "min", "max"]])

# %% clean
target = df.pop("price").to_numpy()
df["log_area"] = np.log(df["area"])
df["area_per_room"] = df["area"] / df["rooms"]

# %% time split: the newest sales are the validation set
df = df.sort_values("sold").reset_index(drop=True)  # sick
features = ["area", "log_area", "area_per_room", "rooms", "age", "distance", "garden"]
cut = int(0.8 * n)
x_train, x_valid = df[features][:cut].to_numpy(), df[features][cut:].to_numpy()
y_train, y_valid = target[:cut], target[cut:]

# %% scale
mean, std = x_train.mean(0), x_train.std(0)
x_train, x_valid = (x_train - mean) / std, (x_valid - mean) / std
y_mean, y_std = y_train.mean(), y_train.std()


def to_tensor(a):
    return torch.tensor(a, dtype=torch.float32)


train_ds = TensorDataset(to_tensor(x_train), to_tensor((y_train - y_mean) / y_std).view(-1, 1))
x_valid, y_valid = to_tensor(x_valid), to_tensor((y_valid - y_mean) / y_std).view(-1, 1)
train_dl = DataLoader(train_ds, batch_size=64, shuffle=True)

# %% model
model = nn.Sequential(
    nn.Linear(len(features), 64), nn.ReLU(), nn.Dropout(0.1),
    nn.Linear(64, 32), nn.ReLU(),
    nn.Linear(32, 1),
)
opt = torch.optim.Adam(model.parameters(), lr=1e-3)
loss_fn = nn.MSELoss()

# %% train
for epoch in range(30):
    model.train()
    running = 0.0
    for xb, yb in train_dl:
        opt.zero_grad()
        loss = loss_fn(model(xb), yb)
        loss.backward()
        opt.step()
        running += loss.item() * len(xb)
    model.eval()
    with torch.no_grad():
        v = loss_fn(model(x_valid), y_valid).item()
    if epoch % 3 == 2:
        print(f"epoch {epoch + 1:2d}  train {running / len(train_ds):.4f}  valid {v:.4f}  rmse {v ** 0.5 * y_std:.1f}k")

# %% look at a few predictions
with torch.no_grad():
    p = model(x_valid[:8]).squeeze(1) * y_std + y_mean
print(pd.DataFrame({"predicted": p.numpy().round(1), "actual": (y_valid[:8].squeeze(1) * y_std + y_mean).numpy().round(1)}))
