"""Siamese network on pairs of digits: same class or not?"""
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, Dataset

torch.manual_seed(9)
torch.set_num_threads(1)
np.random.seed(9)


class PairDataset(Dataset):
    def __init__(self, x, y, n_pairs):
        self.x, self.y = x, y
        self.by_class = [np.flatnonzero(y == c) for c in range(10)]
        self.n_pairs = n_pairs

    def __len__(self):
        return self.n_pairs

    def __getitem__(self, _):
        i = np.random.randint(len(self.x))
        same = np.random.rand() < 0.5
        if same:
            j = np.random.choice(self.by_class[self.y[i]])
        else:
            other = (self.y[i] + np.random.randint(1, 10)) % 10
            j = np.random.choice(self.by_class[other])
        return self.x[i], self.x[j], np.float32(same)


class Embedder(nn.Module):
    def __init__(self, d_out=16):
        super().__init__()
        self.backbone = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(128, 32),
        )
        self.project = nn.Linear(32, d_out)

    def features(self, x):
        f = self.backbone(x)
        return F.normalize(f)

    def forward(self, x):
        return self.project(self.features(x))


def contrastive(z1, z2, same, margin=1.0):
    d = F.pairwise_distance(z1, z2)
    return (same * d ** 2 + (1 - same) * F.relu(margin - d) ** 2).mean()


@torch.no_grad()
def knn_accuracy(model, x_ref, y_ref, x, y):
    model.eval()
    d = torch.cdist(model(x), model(x_ref))
    return (y_ref[d.argmin(1)] == y).float().mean().item()


digits = load_digits()
x = torch.tensor(digits.images / 16.0, dtype=torch.float32).unsqueeze(1)
y = digits.target
order = np.random.permutation(len(x))
tr, te = order[:1300], order[1300:]
loader = DataLoader(PairDataset(x[tr], y[tr], 3000), batch_size=64)

model = Embedder()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(10):
    model.train()
    losses = []
    for a, b, same in loader:
        loss = contrastive(model(a), model(b), same)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    acc = knn_accuracy(model, x[tr], torch.tensor(y[tr]), x[te], torch.tensor(y[te]))
    print(f"epoch {epoch + 1:2d}  contrastive loss {np.mean(losses):.4f}  1-nn accuracy {acc:.3f}")
