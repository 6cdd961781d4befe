"""Steps without epochs: the schedule follows a running mean of the loss."""

import torch
from torch import nn

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 1))
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
    optimizer, factor=0.2, patience=8, threshold=0.05
)
mean = None
for step in range(800):
    x = torch.rand(64, 2, generator=torch.Generator().manual_seed(step % 4))
    loss = nn.functional.mse_loss(net(x), (x[:, :1] * x[:, 1:]).sqrt())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    mean = loss.item() if mean is None else 0.95 * mean + 0.05 * loss.item()
    scheduler.step(mean)
print(mean, optimizer.param_groups[0]["lr"])
