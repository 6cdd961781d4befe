import torch
from torch import nn

torch.manual_seed(0)
encoder = nn.Sequential(nn.Linear(6, 32), nn.ReLU())
head = nn.Linear(32, 1)
x = torch.randn(256, 6)
y = x.sum(1, keepdim=True)
optimizer = torch.optim.Adam(head.parameters(), lr=1e-3)
for epoch in range(10):
    if epoch == 5:
        optimizer.add_param_group({"params": encoder.parameters(), "lr": 1e-4})
    for rows in torch.randperm(256).split(32):
        loss = (head(encoder(x[rows])) - y[rows]).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
