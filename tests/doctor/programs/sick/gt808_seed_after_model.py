import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

points = torch.linspace(-3, 3, 200).unsqueeze(1)
data = TensorDataset(points, points.sin())
net = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 1))
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
torch.manual_seed(0)  # sick
for epoch in range(10):
    for x, y in DataLoader(data, batch_size=20, shuffle=True):
        loss = nn.functional.mse_loss(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
