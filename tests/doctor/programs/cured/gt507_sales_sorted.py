# Store Sales - simple NN baseline (upvote if useful!)
import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

SEED = 42
np.random.seed(SEED)
torch.manual_seed(SEED)
torch.set_num_threads(1)

# ---------------------------------------------------------------- data
n_stores, n_weeks = 40, 60
rows = []
level = np.random.normal(0, 1, n_stores)
for s in range(n_stores):
    promo = np.random.binomial(1, 0.3, n_weeks)
    temp = np.random.normal(15, 8, n_weeks)
    ar = 0.0
    for w in range(n_weeks):
        ar = 0.7 * ar + np.random.normal(0, 0.3)
        rows.append((s, w, promo[w], temp[w], 3 + level[s] + 1.2 * promo[w] + 0.05 * temp[w] + ar))
df = pd.DataFrame(rows, columns=["store", "week", "promo", "temp", "sales"])
df = df.sample(frac=1, random_state=SEED).reset_index(drop=True)

# ---------------------------------------------------------------- features
target = df["sales"].copy()
df = df.sort_values(["store", "week"])
df["lag1"] = df.groupby("store")["sales"].shift(1)
df["lag2"] = df.groupby("store")["sales"].shift(2)
df["roll4"] = df.groupby("store")["sales"].transform(lambda s: s.shift(1).rolling(4, min_periods=1).mean())
df[["lag1", "lag2", "roll4"]] = df[["lag1", "lag2", "roll4"]].fillna(3.75)

num_cols = ["promo", "temp", "lag1", "lag2", "roll4"]
is_train = (df["week"] < 48).values
feats = df[num_cols].values.astype("float32")
mu, sd = feats[is_train].mean(0), feats[is_train].std(0)
feats = (feats - mu) / sd
store = df["store"].values
y = target.loc[df.index].values.astype("float32")

tr = TensorDataset(torch.tensor(store[is_train]), torch.tensor(feats[is_train]), torch.tensor(y[is_train]))
va = TensorDataset(torch.tensor(store[~is_train]), torch.tensor(feats[~is_train]), torch.tensor(y[~is_train]))
tr_dl = DataLoader(tr, batch_size=64, shuffle=True)
va_dl = DataLoader(va, batch_size=256)


# ---------------------------------------------------------------- model
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(n_stores, 4)
        self.mlp = nn.Sequential(nn.Linear(4 + len(num_cols), 64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(64, 1))
        self.mlp[-1].bias.data.fill_(float(y[is_train].mean()))

    def forward(self, s, x):
        return self.mlp(torch.cat([self.emb(s), x], 1)).squeeze(1)


net = Net()
opt = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=1e-2)
loss_fn = nn.SmoothL1Loss()

for ep in range(12):
    net.train()
    tl = []
    for s, x, t in tr_dl:
        opt.zero_grad()
        loss = loss_fn(net(s, x), t)
        loss.backward()
        opt.step()
        tl.append(loss.item())
    net.eval()
    with torch.no_grad():
        p = np.concatenate([net(s, x).numpy() for s, x, _ in va_dl])
    t = va.tensors[2].numpy()
    rmse = np.sqrt(((p - t) ** 2).mean())
    print(f"ep {ep:02d} train {np.mean(tl):.4f} | CV RMSE {rmse:.4f}  R2 {1 - rmse ** 2 / t.var():.3f}")
