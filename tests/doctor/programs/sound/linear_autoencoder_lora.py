"""A linear bottleneck (as PCA), then an adapter of low rank beside a frozen layer."""

import torch
from torch import nn


class LoRA(nn.Module):
    def __init__(self, base, rank=2):
        super().__init__()
        self.base = base
        for p in self.base.parameters():
            p.requires_grad_(False)
        self.down = nn.Linear(base.in_features, rank, bias=False)
        self.up = nn.Linear(rank, base.out_features, bias=False)
        nn.init.zeros_(self.up.weight)

    def forward(self, x):
        return self.base(x) + self.up(self.down(x))


torch.manual_seed(0)
data = torch.randn(200, 2) @ torch.randn(2, 8) + 0.05 * torch.randn(200, 8)
pca = nn.Sequential(nn.Linear(8, 2), nn.Linear(2, 8))
opt = torch.optim.Adam(pca.parameters(), lr=1e-2)
for _ in range(120):
    opt.zero_grad()
    nn.functional.mse_loss(pca(data), data).backward()
    opt.step()

model = nn.Sequential(LoRA(nn.Linear(8, 16)), nn.ReLU(), LoRA(nn.Linear(16, 1)))
opt = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-2)
for _ in range(120):
    opt.zero_grad()
    nn.functional.mse_loss(model(data), data.sum(1, keepdim=True)).backward()
    opt.step()
