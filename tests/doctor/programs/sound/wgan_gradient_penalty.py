"""Wasserstein GAN with gradient penalty on two moons; five critic steps for each generator step."""
import torch
import torch.nn as nn
from sklearn.datasets import make_moons

torch.manual_seed(13)
torch.set_num_threads(1)
Z, BATCH, N_CRITIC, LAMBDA = 4, 128, 5, 1.0

points, _ = make_moons(4000, noise=0.05, random_state=0)
data = torch.tensor(points, dtype=torch.float32)
holdout, data = data[:500], data[500:]
mean, std = data.mean(0), data.std(0)
holdout, data = (holdout - mean) / std, (data - mean) / std

generator = nn.Sequential(nn.Linear(Z, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))
critic = nn.Sequential(nn.Linear(2, 64), nn.LeakyReLU(0.2), nn.Linear(64, 64), nn.LeakyReLU(0.2), nn.Linear(64, 1))
opt_g = torch.optim.Adam(generator.parameters(), lr=1e-3, betas=(0.0, 0.9))
opt_c = torch.optim.Adam(critic.parameters(), lr=1e-3, betas=(0.0, 0.9))


def sample_real(n):
    return data[torch.randint(len(data), (n,))]


def gradient_penalty(real, fake):
    eps = torch.rand(len(real), 1)
    mix = (eps * real + (1 - eps) * fake).requires_grad_(True)
    grad, = torch.autograd.grad(critic(mix).sum(), mix, create_graph=True)
    return (grad.norm(2, dim=1) - 1).pow(2).mean()


def energy_distance(a, b):
    return (2 * torch.cdist(a, b).mean() - torch.cdist(a, a).mean() - torch.cdist(b, b).mean()).item()


def train_critic():
    real = sample_real(BATCH)
    fake = generator(torch.randn(BATCH, Z)).detach()
    gap = critic(fake).mean() - critic(real).mean()
    loss = gap + LAMBDA * gradient_penalty(real, fake)
    opt_c.zero_grad()
    loss.backward()
    opt_c.step()
    return -gap.item()


def train_generator():
    critic.requires_grad_(False)
    loss = -critic(generator(torch.randn(BATCH, Z))).mean()
    opt_g.zero_grad()
    loss.backward()
    opt_g.step()
    critic.requires_grad_(True)
    return loss.item()


for it in range(1, 601):
    for _ in range(N_CRITIC):
        w = train_critic()
    g = train_generator()
    if it == 1 or it % 60 == 0:
        with torch.no_grad():
            dist = energy_distance(generator(torch.randn(500, Z)), holdout)
        print(f"iter {it:4d}  wasserstein {w:7.4f}  generator loss {g:7.4f}  energy distance {dist:.4f}")
