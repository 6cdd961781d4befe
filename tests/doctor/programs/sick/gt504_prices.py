import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)

x = torch.randn(300, 4)
price = 200_000 + 40_000 * x[:, :1] - 30_000 * x[:, 1:2] + 1000 * torch.randn(300, 1)
loader = DataLoader(TensorDataset(x, price), batch_size=30, shuffle=True)
model = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for epoch in range(20):
    for features, targets in loader:
        loss = F.mse_loss(model(features), targets)  # sick
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
