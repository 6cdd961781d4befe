import torch
from torch import nn

torch.manual_seed(0)
x = torch.rand(200, 2) * 4 - 2
y = torch.sin(2 * x[:, :1]) * x[:, 1:]
model = nn.Sequential(
    nn.Linear(2, 64),  # sick
    nn.Linear(64, 64),
    nn.Linear(64, 1),
)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for step in range(150):
    optimizer.zero_grad()
    loss = nn.functional.mse_loss(model(x), y)
    loss.backward()
    optimizer.step()
print(loss.item())
