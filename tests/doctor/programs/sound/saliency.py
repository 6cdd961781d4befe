import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 2)).eval()
optimizer = torch.optim.Adam(model.parameters())
maps = []
for _ in range(30):
    x = torch.randn(1, 5, requires_grad=True)
    model(x)[0, 1].backward()
    maps.append(x.grad.abs())
