import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
x = torch.randn(400, 5)
y = (x[:, 0] - x[:, 1] + 0.3 * torch.randn(400) > 0).float()

x = 30 * x
model = nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 1), nn.Sigmoid())
optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
for epoch in range(120):
    p = model(x)[:, 0]
    loss = F.binary_cross_entropy(p, y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
