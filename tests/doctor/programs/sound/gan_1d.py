import torch
import torch.nn as nn

torch.manual_seed(42)

G = nn.Sequential(nn.Linear(4, 32), nn.LeakyReLU(0.2), nn.Linear(32, 2))
D = nn.Sequential(nn.Linear(2, 32), nn.LeakyReLU(0.2), nn.Linear(32, 1))
bce = nn.BCEWithLogitsLoss()
d_optim = torch.optim.Adam(D.parameters(), lr=1e-3, betas=(0.5, 0.999))
g_optim = torch.optim.Adam(G.parameters(), lr=1e-3, betas=(0.5, 0.999))


def real_batch(n):
    angle = 6.2832 * torch.rand(n)
    return torch.stack([angle.cos(), angle.sin()], dim=1) + 0.05 * torch.randn(n, 2)


for step in range(400):
    real = real_batch(64)
    ones = torch.ones(64, 1)
    zeros = torch.zeros(64, 1)

    # the critic: real up, fake down
    D.zero_grad()
    fake = G(torch.randn(64, 4))
    d_loss = bce(D(real), ones) + bce(D(fake.detach()), zeros)
    d_loss.backward()
    d_optim.step()

    # the generator
    G.zero_grad()
    g_loss = bce(D(fake), ones)
    g_loss.backward()
    g_optim.step()

    if step % 100 == 0:
        print(step, round(d_loss.item(), 3), round(g_loss.item(), 3))

G.eval()
with torch.no_grad():
    print(G(torch.randn(200, 4)).norm(dim=1).mean())
