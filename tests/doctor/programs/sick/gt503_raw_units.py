import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)

age = 40 + 10 * torch.randn(400)
income = 50_000 + 20_000 * torch.randn(400)
x = torch.stack([age, income], dim=1)
y = ((age - 40) / 10 + (income - 50_000) / 20_000 > 0).long()
loader = DataLoader(TensorDataset(x, y), batch_size=40, shuffle=True)
model = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for epoch in range(20):
    for features, labels in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(features), labels)  # sick
        loss.backward()
        optimizer.step()
