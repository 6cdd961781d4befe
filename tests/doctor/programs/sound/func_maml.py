# Learn initial weights that a few steps fit to any sine.
import torch
from torch import nn
from torch.func import functional_call

torch.manual_seed(1)
net = nn.Sequential(nn.Linear(1, 24), nn.Tanh(), nn.Linear(24, 1))
meta = torch.optim.Adam(net.parameters(), lr=5e-3)


def task():
    phase = 3.14 * torch.rand(())
    height = 0.5 + torch.rand(())
    return lambda x: height * torch.sin(x + phase)


def mse(weights, x, y):
    return ((functional_call(net, weights, (x,)) - y) ** 2).mean()


for it in range(60):
    outer = 0.0
    for _ in range(3):
        f = task()
        xs, xq = 3 * torch.rand(10, 1) - 1.5, 3 * torch.rand(10, 1) - 1.5
        weights = dict(net.named_parameters())
        inner = mse(weights, xs, f(xs))
        grads = torch.autograd.grad(inner, list(weights.values()), create_graph=True)
        adapted = {
            k: w - 0.05 * g for (k, w), g in zip(weights.items(), grads, strict=True)
        }
        outer = outer + mse(adapted, xq, f(xq))
    meta.zero_grad()
    (outer / 3).backward()
    meta.step()
    if it % 20 == 0:
        print(it, outer.item() / 3)
