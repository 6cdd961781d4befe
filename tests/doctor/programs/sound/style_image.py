import torch
from torch import nn

torch.manual_seed(0)
features = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3))
wanted = features(torch.rand(1, 3, 16, 16)).detach()
image = torch.rand(1, 3, 16, 16, requires_grad=True)
optimizer = torch.optim.Adam([image], lr=0.05)
for step in range(100):
    optimizer.zero_grad()
    loss = ((features(image) - wanted) ** 2).mean()
    loss.backward()
    optimizer.step()
