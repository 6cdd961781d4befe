import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(1)
x = torch.randn(200, 4)
y = x.sum(dim=1, keepdim=True)
model = nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
for step in range(60):
    optimizer.zero_grad()
    loss = F.mse_loss(model(x), y, reduction="sum")
    loss.backward()
    optimizer.step()
