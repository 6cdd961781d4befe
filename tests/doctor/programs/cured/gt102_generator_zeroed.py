"""GAN on a ring of eight Gaussians."""
import math
import torch
import torch.nn as nn

torch.manual_seed(13)
torch.set_num_threads(1)
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def real_batch(n):
    k = torch.randint(8, (n,))
    angle = 2 * math.pi * k / 8
    centre = torch.stack([angle.cos(), angle.sin()], 1)
    return (centre + 0.05 * torch.randn(n, 2)).to(device)


def mlp(sizes, out_act=None):
    layers = []
    for a, b in zip(sizes[:-1], sizes[1:]):
        layers += [nn.Linear(a, b), nn.LeakyReLU(0.2)]
    layers = layers[:-1]
    if out_act is not None:
        layers.append(out_act)
    return nn.Sequential(*layers)


class GAN:
    def __init__(self, z_dim=8, hidden=64):
        self.z_dim = z_dim
        self.gen = mlp([z_dim, hidden, hidden, 2]).to(device)
        self.disc = mlp([2, hidden, hidden, 1]).to(device)
        self.opt_g = torch.optim.Adam(self.gen.parameters(), lr=1e-3, betas=(0.5, 0.999))
        self.opt_d = torch.optim.Adam(self.disc.parameters(), lr=1e-3, betas=(0.5, 0.999))
        self.bce = nn.BCEWithLogitsLoss()

    def noise(self, n):
        return torch.randn(n, self.z_dim, device=device)

    def disc_step(self, real):
        n = len(real)
        with torch.no_grad():
            fake = self.gen(self.noise(n))
        self.opt_d.zero_grad()
        loss = (self.bce(self.disc(real), torch.full((n, 1), 0.9, device=device))
                + self.bce(self.disc(fake), torch.zeros(n, 1, device=device)))
        loss.backward()
        self.opt_d.step()
        return loss.item()

    def gen_step(self, n):
        fake = self.gen(self.noise(n))
        loss = self.bce(self.disc(fake), torch.ones(n, 1, device=device))
        self.opt_g.zero_grad()
        loss.backward()
        self.opt_g.step()
        return loss.item()

    @torch.no_grad()
    def coverage(self, n=1000):
        s = self.gen(self.noise(n))
        angle = 2 * math.pi * torch.arange(8) / 8
        centres = torch.stack([angle.cos(), angle.sin()], 1).to(device)
        dist, which = torch.cdist(s, centres).min(1)
        good = dist < 0.2
        return good.float().mean().item(), which[good].unique().numel()


gan = GAN()
for it in range(1, 1501):
    d_loss = gan.disc_step(real_batch(128))
    g_loss = gan.gen_step(128)
    if it % 150 == 0:
        quality, modes = gan.coverage()
        print(f"iter {it:5d}  D {d_loss:.3f}  G {g_loss:.3f}  quality {quality:.2f}  modes {modes}/8")
