import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)

area = 60 + 200 * torch.rand(300, 1)
year = 1950 + 70 * torch.rand(300, 1)
meters = 20_000 * torch.rand(300, 1)
x = torch.cat([area, year, meters], dim=1)
y = (area - 160) / 60 + (year - 1985) / 20 - (meters - 10_000) / 6_000
model = nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
for epoch in range(100):
    loss = F.mse_loss(model(x), y)  # sick
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
