import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(1)
x = torch.randn(64, 1, 8, 8)
y = (x.mean(dim=(1, 2, 3)) > 0).long()
model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 2))
for module in model:
    if hasattr(module, "weight"):
        nn.init.constant_(module.weight, 0.05)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)  # sick
for step in range(40):
    loss = F.cross_entropy(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
