"""Pictures from one fixed noise are made while a GAN with batch norm trains."""

import torch
import torch.nn.functional as F
from torch import nn, optim

torch.manual_seed(0)
net_g = nn.Sequential(
    nn.Linear(8, 32), nn.BatchNorm1d(32), nn.ReLU(True), nn.Linear(32, 16), nn.Tanh()
)
net_d = nn.Sequential(nn.Linear(16, 32), nn.LeakyReLU(0.2), nn.Linear(32, 1))
opt_g = optim.Adam(net_g.parameters(), lr=2e-4, betas=(0.5, 0.999))
opt_d = optim.Adam(net_d.parameters(), lr=2e-4, betas=(0.5, 0.999))
real = torch.tanh(torch.randn(256, 16) * 0.3 + 0.5)
fixed_noise = torch.randn(9, 8)
for step in range(120):
    batch = real[torch.randint(256, (32,))]
    ones, zeros = torch.ones(32, 1), torch.zeros(32, 1)

    opt_d.zero_grad()
    F.binary_cross_entropy_with_logits(net_d(batch), ones).backward()
    fake = net_g(torch.randn(32, 8))
    F.binary_cross_entropy_with_logits(net_d(fake.detach()), zeros).backward()
    opt_d.step()

    opt_g.zero_grad()
    F.binary_cross_entropy_with_logits(net_d(fake), ones).backward()
    opt_g.step()

    if step % 20 == 0:
        with torch.no_grad():
            pictures = net_g(fixed_noise)
        print(step, pictures.mean().item())
