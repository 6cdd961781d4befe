import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
x = torch.randn(300, 6)
y = (x[:, :3] + 0.3 * torch.randn(300, 3)).argmax(dim=1)

model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for epoch in range(50):
    optimizer.zero_grad()
    loss = F.binary_cross_entropy_with_logits(model(x)[:, 0], y.float())  # sick
    loss.backward()
    optimizer.step()
