import torch
from torch import nn

torch.manual_seed(0)
critic = nn.Sequential(nn.Linear(8, 16), nn.Tanh()).eval()
model = nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 8))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
x = torch.rand(100, 8)
for step in range(100):
    loss = ((critic(model(x)) - critic(x)) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
