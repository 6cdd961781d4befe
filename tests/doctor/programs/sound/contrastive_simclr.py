import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)


def augment(x):
    return x + 0.15 * torch.randn_like(x)


def info_nce(a, b, temperature=0.3):
    a, b = F.normalize(a, dim=1), F.normalize(b, dim=1)
    logits = a @ b.t() / temperature
    targets = torch.arange(len(a))
    return 0.5 * (
        F.cross_entropy(logits, targets) + F.cross_entropy(logits.t(), targets)
    )


data = torch.randn(512, 16)
backbone = nn.Sequential(nn.Linear(16, 64), nn.BatchNorm1d(64), nn.ReLU())
projector = nn.Linear(64, 8)
params = list(backbone.parameters()) + list(projector.parameters())
optimizer = torch.optim.AdamW(params, lr=3e-3, weight_decay=1e-4)

for epoch in range(8):
    losses = []
    for idx in torch.randperm(512).split(64):
        batch = data[idx]
        z1 = projector(backbone(augment(batch)))
        z2 = projector(backbone(augment(batch)))
        loss = info_nce(z1, z2)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    print(f"epoch {epoch}: {sum(losses) / len(losses):.3f}")
