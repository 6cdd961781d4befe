"""Recommender: sparse embeddings with SparseAdam, dense part with AdamW, one backward for both."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(1)
torch.set_num_threads(1)
N_USERS, N_ITEMS, N = 300, 200, 24000

u_true, v_true = torch.randn(N_USERS, 4), torch.randn(N_ITEMS, 4)
users, items = torch.randint(N_USERS, (N,)), torch.randint(N_ITEMS, (N,))
raw = 3.5 + 0.5 * (u_true[users] * v_true[items]).sum(1) + 0.2 * torch.randn(N)
ratings = raw.clamp(1, 5)
cut = 20000
mean, std = ratings[:cut].mean(), ratings[:cut].std()
z = (ratings - mean) / std


class Recommender(nn.Module):
    def __init__(self, d=16):
        super().__init__()
        self.user = nn.Embedding(N_USERS, d, sparse=True)
        self.item = nn.Embedding(N_ITEMS, d, sparse=True)
        for emb in (self.user, self.item):
            nn.init.normal_(emb.weight, std=0.1)
        self.mlp = nn.Sequential(nn.Linear(3 * d, 32), nn.ReLU(), nn.Linear(32, 1))

    def forward(self, u, i):
        eu, ei = self.user(u), self.item(i)
        inter = torch.cat([eu, ei, eu * ei], dim=1)
        return self.mlp(inter).squeeze(1) + (eu * ei).sum(1)


model = Recommender()
sparse = list(model.user.parameters()) + list(model.item.parameters())
optimizers = [
    torch.optim.SparseAdam(sparse, lr=1e-2),
    torch.optim.AdamW(model.mlp.parameters(), lr=2e-3, weight_decay=1e-3),
]
schedulers = [torch.optim.lr_scheduler.ExponentialLR(o, gamma=0.85) for o in optimizers]
loader = DataLoader(TensorDataset(users[:cut], items[:cut], z[:cut]), batch_size=256, shuffle=True)

for epoch in range(1, 13):
    model.train()
    total = 0.0
    for u, i, r in loader:
        for opt in optimizers:
            opt.zero_grad()
        loss = F.mse_loss(model(u, i), r)
        loss.backward()
        for opt in optimizers:
            opt.step()
        total += loss.item() * len(r)
    for sched in schedulers:
        sched.step()
    model.eval()
    with torch.no_grad():
        pred = model(users[cut:], items[cut:])
        rmse = (pred - z[cut:]).pow(2).mean().sqrt().item() * std.item()
    print(f"epoch {epoch:2d}  train {total / cut:.4f}  valid rmse {rmse:.4f} (rating std {std.item():.3f})")
