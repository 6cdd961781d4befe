import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def set_seed(seed):
    torch.manual_seed(seed)


set_seed(0)
x = torch.randn(150, 4)
y = x.prod(dim=1, keepdim=True)
loader = DataLoader(TensorDataset(x, y), batch_size=15, shuffle=True)
model = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for epoch in range(8):
    for features, targets in loader:
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(features), targets)
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
