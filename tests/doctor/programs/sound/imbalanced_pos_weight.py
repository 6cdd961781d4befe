import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, WeightedRandomSampler

torch.manual_seed(0)
x = torch.randn(1000, 6)
y = ((x[:, 0] + x[:, 1]) > 1.8).float()
num_pos = int(y.sum())
print("positive:", num_pos, "of", len(y))

criterion = nn.BCEWithLogitsLoss(pos_weight=(len(y) - y.sum()) / y.sum())
model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 1))
opt = torch.optim.Adam(model.parameters(), lr=1e-2)
for epoch in range(6):
    for b in torch.randperm(1000).split(100):
        opt.zero_grad()
        loss = criterion(model(x[b])[:, 0], y[b])
        loss.backward()
        opt.step()
    print("weighted", epoch, loss.item())

# The same with rows drawn evenly.
weights = torch.where(y > 0, 1.0 / num_pos, 1.0 / (len(y) - num_pos))
sampler = WeightedRandomSampler(weights.tolist(), num_samples=1000)
loader = DataLoader(TensorDataset(x, y), batch_size=100, sampler=sampler)
model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 1))
opt = torch.optim.Adam(model.parameters(), lr=1e-2)
for epoch in range(6):
    for xb, yb in loader:
        opt.zero_grad()
        loss = nn.functional.binary_cross_entropy_with_logits(model(xb)[:, 0], yb)
        loss.backward()
        opt.step()
    print("drawn", epoch, loss.item())
