"""Evolution strategies: a network is trained by random perturbations, there is no backward pass."""
import torch
import torch.nn as nn
from torch.func import functional_call, vmap
from torch.nn.utils import parameters_to_vector, vector_to_parameters

torch.manual_seed(0)
torch.set_num_threads(1)
torch.set_grad_enabled(False)

POP, SIGMA, LR, STEPS = 60, 0.1, 0.08, 250

net = nn.Sequential(nn.Linear(2, 12), nn.Tanh(), nn.Linear(12, 1))
names = [n for n, _ in net.named_parameters()]
shapes = [p.shape for p in net.parameters()]
sizes = [p.numel() for p in net.parameters()]


def two_moons(n):
    a = torch.rand(n) * 3.1416
    side = torch.arange(n) % 2
    x = torch.stack([torch.cos(a), torch.sin(a)], 1)
    x = torch.where(side[:, None] == 1, torch.tensor([1.0, 0.5]) - x, x)
    return x + 0.12 * torch.randn(n, 2), side.float()


x_tr, y_tr = two_moons(400)
x_te, y_te = two_moons(400)


def unpack(vec):
    return {n: part.view(s) for n, s, part in zip(names, shapes, vec.split(sizes))}


def fitness(vec):
    out = functional_call(net, unpack(vec), (x_tr,)).squeeze(1)
    return -nn.functional.binary_cross_entropy_with_logits(out, y_tr)


centre = parameters_to_vector(net.parameters())
velocity = torch.zeros_like(centre)
for step in range(STEPS):
    half = torch.randn(POP // 2, len(centre))
    eps = torch.cat([half, -half])
    score = vmap(fitness)(centre + SIGMA * eps)
    rank = score.argsort().argsort().float() / (POP - 1) - 0.5
    direction = (rank[:, None] * eps).mean(0) / SIGMA
    velocity = 0.8 * velocity + direction
    centre = centre + LR * velocity
    if step % 50 == 49:
        vector_to_parameters(centre, net.parameters())
        acc = ((net(x_te).squeeze(1) > 0).float() == y_te).float().mean().item()
        print(f"step {step + 1} loss {-fitness(centre).item():.4f} test accuracy {acc:.4f}")
