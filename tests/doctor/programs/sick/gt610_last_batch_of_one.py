import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
x = torch.randn(97, 1, 6, 6)
y = x.mean(dim=(1, 2, 3)).unsqueeze(1)
loader = DataLoader(TensorDataset(x, y), batch_size=16, shuffle=True)
model = nn.Sequential(
    nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 1)
)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for epoch in range(5):
    for features, targets in loader:
        loss = nn.functional.mse_loss(model(features), targets)  # sick
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
