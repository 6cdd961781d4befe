"""Per-sample gradients with torch.func; they are clipped and averaged by hand."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call, grad, vmap

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(5, 20), nn.Tanh(), nn.Linear(20, 3))
params = {name: p.detach().clone() for name, p in model.named_parameters()}

x = torch.randn(300, 5)
y = (x @ torch.randn(5, 3)).argmax(dim=1)


def loss_of_one(params, sample, target):
    logits = functional_call(model, params, (sample.unsqueeze(0),))
    return F.cross_entropy(logits, target.unsqueeze(0))


per_sample = vmap(grad(loss_of_one), in_dims=(None, 0, 0))

for epoch in range(12):
    for rows in torch.randperm(300).split(60):
        grads = per_sample(params, x[rows], y[rows])
        norms = sum(g.flatten(1).pow(2).sum(1) for g in grads.values()).sqrt()
        factor = (2.0 / norms).clamp(max=1.0)
        for name, g in grads.items():
            mean = torch.einsum("b,b...->...", factor, g) / len(rows)
            params[name] = params[name] - 1.0 * mean
    logits = functional_call(model, params, (x,))
    print(epoch, F.cross_entropy(logits, y).item())
