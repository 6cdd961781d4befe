import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
x = torch.randn(256, 8)
kind, size = x[:, :3].argmax(1), x[:, 3:].sum(1, keepdim=True)
body = nn.Sequential(nn.Linear(8, 32), nn.ReLU())
head_kind, head_size = nn.Linear(32, 3), nn.Linear(32, 1)
params = [*body.parameters(), *head_kind.parameters(), *head_size.parameters()]
optimizer = torch.optim.Adam(params, lr=1e-2)
for epoch in range(10):
    for rows in torch.randperm(256).split(32):
        optimizer.zero_grad()
        h = body(x[rows])
        loss = F.cross_entropy(head_kind(h), kind[rows])
        loss_size = F.mse_loss(head_size(h), size[rows])  # sick
        loss.backward()
        optimizer.step()
    print(epoch, loss.item(), loss_size.item())
