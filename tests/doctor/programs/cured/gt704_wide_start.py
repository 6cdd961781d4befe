import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
x = torch.randn(300, 6)
y = (x[:, :3] + 0.3 * torch.randn(300, 3)).argmax(dim=1)

layers = []
for _ in range(6):
    layers += [nn.Linear(6 if not layers else 64, 64), nn.ReLU()]
model = nn.Sequential(*layers, nn.Linear(64, 3))
for module in model:
    if isinstance(module, nn.Linear):
        nn.init.kaiming_normal_(module.weight)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(60):
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
