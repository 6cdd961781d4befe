import torch
import torch.nn.functional as F
from torch import nn


def fgsm(model, x, y, epsilon):
    x = x.clone().detach().requires_grad_(True)
    loss = F.cross_entropy(model(x), y)
    (direction,) = torch.autograd.grad(loss, x)
    return (x + epsilon * direction.sign()).detach()


def pgd(model, x, y, epsilon, steps=2):
    start, moved = x, x
    for _ in range(steps):
        moved = fgsm(model, moved, y, epsilon / steps)
        moved = start + (moved - start).clamp(-epsilon, epsilon)
    return moved


torch.manual_seed(0)
x = torch.randn(500, 8)
y = (x @ torch.randn(8, 3)).argmax(dim=1)
model = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 3))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
for epoch in range(6):
    clean = robust = 0.0
    for rows in torch.randperm(500).split(50):
        bad = pgd(model, x[rows], y[rows], epsilon=0.1)
        optimizer.zero_grad()
        loss_clean = F.cross_entropy(model(x[rows]), y[rows])
        loss_bad = F.cross_entropy(model(bad), y[rows])
        (0.5 * loss_clean + 0.5 * loss_bad).backward()
        optimizer.step()
        clean += loss_clean.item() / 10
        robust += loss_bad.item() / 10
    print(epoch, round(clean, 3), round(robust, 3))
