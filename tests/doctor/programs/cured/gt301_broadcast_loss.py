import torch
from torch import nn

torch.manual_seed(0)
x = torch.rand(100, 1)
y = 1 + 2 * x[:, 0] + 0.1 * torch.randn(100)

model = nn.Linear(1, 1)
optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
for epoch in range(100):
    optimizer.zero_grad()
    error = model(x)[:, 0] - y
    loss = (error**2).mean()
    loss.backward()
    optimizer.step()
print(loss.item())
