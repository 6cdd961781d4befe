import inspect

import torch
from torch import nn


def configure(model, weight_decay, lr):
    decay, no_decay = [], []
    for name, p in model.named_parameters():
        (decay if p.dim() >= 2 else no_decay).append(p)
    groups = [
        {"params": decay, "weight_decay": weight_decay},
        {"params": no_decay, "weight_decay": 0.0},
    ]
    extra = {}
    if "foreach" in inspect.signature(torch.optim.AdamW).parameters:
        extra["foreach"] = True
    return torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.95), **extra)


torch.manual_seed(0)
model = nn.Sequential(nn.Linear(12, 48), nn.LayerNorm(48), nn.GELU(), nn.Linear(48, 5))
optimizer = configure(model, 0.1, 4e-3)
warmup = torch.optim.lr_scheduler.LinearLR(optimizer, 0.1, total_iters=10)
cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=110)
schedule = torch.optim.lr_scheduler.SequentialLR(
    optimizer, [warmup, cosine], milestones=[10]
)

data = torch.randn(1000, 12)
target = (data @ torch.randn(12, 5)).argmax(1)
it = 0
while it < 120:
    batch = torch.randint(1000, (100,))
    loss = nn.functional.cross_entropy(model(data[batch]), target[batch])
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    schedule.step()
    optimizer.zero_grad(set_to_none=True)
    if it % 30 == 0:
        print(it, loss.item(), schedule.get_last_lr())
    it += 1
