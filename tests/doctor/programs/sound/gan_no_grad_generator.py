"""The generator runs without gradients while the critic learns, five times a step."""

import torch
from torch import nn


def mlp(sizes, norm=False):
    layers = []
    for a, b in zip(sizes[:-2], sizes[1:-1], strict=True):
        layers += [nn.Linear(a, b), *([nn.BatchNorm1d(b)] if norm else []), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(sizes[-2], sizes[-1]))


torch.manual_seed(0)
generator, critic = mlp([4, 32, 32, 2], norm=True), mlp([2, 32, 32, 1])
opt_g = torch.optim.RMSprop(generator.parameters(), lr=5e-4)
opt_c = torch.optim.RMSprop(critic.parameters(), lr=5e-4)
for step in range(30):
    for _ in range(5):
        real = torch.randn(32, 2) * 0.5 + torch.tensor([1.0, -1.0])
        with torch.no_grad():
            fake = generator(torch.randn(32, 4))
        loss_c = critic(fake).mean() - critic(real).mean()
        opt_c.zero_grad()
        loss_c.backward()
        opt_c.step()
        with torch.no_grad():
            for p in critic.parameters():
                p.clamp_(-0.1, 0.1)
    loss_g = -critic(generator(torch.randn(32, 4))).mean()
    opt_g.zero_grad()
    loss_g.backward()
    opt_g.step()
