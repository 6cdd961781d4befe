import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
x = torch.randn(200, 6)
y = x[:, :3].argmax(dim=1)
model = nn.Sequential(nn.Linear(6, 64), nn.ReLU(), nn.Linear(64, 3))
for name, p in model.named_parameters():
    p.requires_grad = name.endswith("bias")
optimizer = torch.optim.Adam(
    [p for p in model.parameters() if p.requires_grad], lr=1e-2
)
for epoch in range(100):
    optimizer.zero_grad()
    F.cross_entropy(model(x), y).backward()
    optimizer.step()
