"""No nn.Module, no torch.optim: a dictionary of tensors and RMSprop written out."""
import math

import torch
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split

torch.set_num_threads(1)
gen = torch.Generator().manual_seed(5)
x, y = load_wine(return_X_y=True)
xa, xb, ya, yb = train_test_split(x, y, test_size=0.3, random_state=5, stratify=y)
m, s = xa.mean(0), xa.std(0)
xa, xb = (torch.tensor((v - m) / s, dtype=torch.float32) for v in (xa, xb))
ya, yb = torch.tensor(ya), torch.tensor(yb)


def glorot(i, o):
    lim = math.sqrt(6 / (i + o))
    return (torch.rand(i, o, generator=gen) * 2 - 1) * lim


theta = {"w1": glorot(13, 24), "b1": torch.zeros(24), "w2": glorot(24, 3), "b2": torch.zeros(3)}
square = {k: torch.zeros_like(v) for k, v in theta.items()}


def scores(theta, x):
    return torch.tanh(x @ theta["w1"] + theta["b1"]) @ theta["w2"] + theta["b2"]


def objective(theta, x, y):
    z = scores(theta, x)
    logp = z - torch.logsumexp(z, dim=1, keepdim=True)
    return -logp.gather(1, y[:, None]).mean()


for it in range(1, 401):
    rows = torch.randint(len(xa), (32,), generator=gen)
    live = {k: v.detach().requires_grad_() for k, v in theta.items()}
    loss = objective(live, xa[rows], ya[rows])
    grads = torch.autograd.grad(loss, list(live.values()))
    new = {}
    for (k, v), g in zip(theta.items(), grads):
        square[k] = 0.95 * square[k] + 0.05 * g * g
        new[k] = v - 0.004 * g / (square[k].sqrt() + 1e-6)
    theta = new
    if it % 100 == 0:
        acc = (scores(theta, xb).argmax(1) == yb).double().mean().item()
        print(f"{it} loss {loss.item():.4f} hold-out accuracy {acc:.3f}")
