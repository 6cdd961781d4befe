import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(1)
x = torch.randn(200, 4)
y, z = (x[:, 0] > 0).long(), x[:, 1:2]
classes, amount = nn.Linear(4, 2), nn.Linear(4, 1)
parameters = [*classes.parameters(), *amount.parameters()]
for p in parameters:
    nn.init.zeros_(p)
optimizer = torch.optim.SGD(parameters, lr=0.1)
for step in range(100):
    optimizer.zero_grad()
    loss = F.cross_entropy(classes(x), y) + F.mse_loss(amount(x), z)
    loss.backward()
    optimizer.step()
