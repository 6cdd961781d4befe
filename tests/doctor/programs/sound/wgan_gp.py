"""Wasserstein GAN with gradient penalty on a mixture of two Gaussians."""

import torch
from torch import autograd, nn, optim

LAMBDA = 1.0
CRITIC_ITERS = 3
BATCH = 48


class Generator(nn.Module):
    def __init__(self):
        super().__init__()
        self.main = nn.Sequential(
            nn.Linear(3, 32), nn.ReLU(True), nn.Linear(32, 32), nn.ReLU(True)
        )
        self.output = nn.Linear(32, 2)

    def forward(self, noise):
        return self.output(self.main(noise))


class Critic(nn.Module):
    def __init__(self):
        super().__init__()
        self.main = nn.Sequential(
            nn.Linear(2, 32), nn.Softplus(), nn.Linear(32, 32), nn.Softplus()
        )
        self.output = nn.Linear(32, 1)

    def forward(self, x):
        return self.output(self.main(x)).view(-1)


def sample_data():
    while True:
        side = torch.randint(2, (BATCH, 1)) * 2.0 - 1.0
        yield torch.cat([side, -side], 1) + 0.1 * torch.randn(BATCH, 2)


def gradient_penalty(critic, real, fake):
    alpha = torch.rand(real.size(0), 1)
    between = (alpha * real + (1 - alpha) * fake).requires_grad_(True)
    scores = critic(between)
    gradients = autograd.grad(
        outputs=scores,
        inputs=between,
        grad_outputs=torch.ones_like(scores),
        create_graph=True,
    )[0]
    return ((gradients.norm(2, dim=1) - 1) ** 2).mean() * LAMBDA


def main():
    torch.manual_seed(7)
    netG, netD = Generator(), Critic()
    optimizerD = optim.Adam(netD.parameters(), lr=1e-3, betas=(0.5, 0.9))
    optimizerG = optim.Adam(netG.parameters(), lr=1e-3, betas=(0.5, 0.9))
    data = sample_data()
    for iteration in range(80):
        for p in netD.parameters():
            p.requires_grad = True
        for _ in range(CRITIC_ITERS):
            real = next(data)
            netD.zero_grad()
            with torch.no_grad():
                fake = netG(torch.randn(BATCH, 3))
            D_real = netD(real).mean()
            D_fake = netD(fake).mean()
            D_cost = D_fake - D_real + gradient_penalty(netD, real, fake)
            D_cost.backward()
            optimizerD.step()
        for p in netD.parameters():
            p.requires_grad = False  # to avoid computation
        netG.zero_grad()
        G_cost = -netD(netG(torch.randn(BATCH, 3))).mean()
        G_cost.backward()
        optimizerG.step()
        if iteration % 20 == 0:
            print(iteration, (D_real - D_fake).item(), G_cost.item())


if __name__ == "__main__":
    main()
