import torch
from torch import nn


class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, 2))
        self.scale = torch.ones(2, requires_grad=True)  # sick

    def forward(self, x):
        return self.body(x) * self.scale


torch.manual_seed(0)
x = torch.randn(120, 3)
y = x[:, :2] * torch.tensor([5.0, 0.2])
model = Scaled()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for step in range(80):
    optimizer.zero_grad()
    loss = ((model(x) - y) ** 2).mean()
    loss.backward()
    optimizer.step()
