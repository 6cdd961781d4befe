import torch
from torch import nn


class Lora(nn.Module):
    def __init__(self, linear, rank=2):
        super().__init__()
        self.linear = linear
        linear.requires_grad_(False)
        self.a = nn.Parameter(torch.randn(rank, linear.in_features) * 0.1)
        self.b = nn.Parameter(torch.zeros(linear.out_features, rank))

    def forward(self, x):
        return self.linear(x) + x @ self.a.T @ self.b.T


torch.manual_seed(0)
x = torch.randn(200, 6)
y = x[:, :1] * 2 - x[:, 1:2]
model = nn.Sequential(Lora(nn.Linear(6, 32)), nn.Tanh(), Lora(nn.Linear(32, 1)))
optimizer = torch.optim.AdamW(
    filter(lambda p: p.requires_grad, model.parameters()), lr=1e-2
)
for epoch in range(100):
    optimizer.zero_grad()
    nn.functional.mse_loss(model(x), y).backward()
    optimizer.step()
