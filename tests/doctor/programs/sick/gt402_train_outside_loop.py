import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
x = torch.randn(240, 6)
y = x[:, :1].abs() + 0.1 * torch.randn(240, 1)
train_loader = DataLoader(TensorDataset(x[:180], y[:180]), batch_size=30, shuffle=True)
x_val, y_val = x[180:], y[180:]

net = nn.Sequential(
    nn.Linear(6, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.1), nn.Linear(32, 1)
)
optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
mse = nn.MSELoss()

net.train()
for epoch in range(8):
    for features, targets in train_loader:
        optimizer.zero_grad()
        loss = mse(net(features), targets)
        loss.backward()
        optimizer.step()
    net.eval()  # sick
    with torch.no_grad():
        print(epoch, mse(net(x_val), y_val).item())
