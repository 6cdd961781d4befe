import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingWarmRestarts

torch.manual_seed(8)
x = torch.rand(300, 2) * 4 - 2
y = (x[:, 0] ** 2 + x[:, 1] ** 2 < 2).long()
net = nn.Sequential(
    nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 2)
)
optimizer = torch.optim.SGD(net.parameters(), lr=0.2, momentum=0.9)
scheduler = CosineAnnealingWarmRestarts(optimizer, T_0=4, T_mult=2)
ce = nn.CrossEntropyLoss()
iters = 6
for epoch in range(12):
    for i, rows in enumerate(torch.randperm(300).chunk(iters)):
        optimizer.zero_grad()
        loss = ce(net(x[rows]), y[rows])
        loss.backward()
        optimizer.step()
        scheduler.step(epoch + i / iters)
    print(epoch, f"{loss.item():.3f}", f"{optimizer.param_groups[0]['lr']:.4f}")
