import torch
import torch.nn.functional as F
from torch import nn

T = 50
betas = torch.linspace(1e-3, 0.15, T)
alphas_bar = torch.cumprod(1 - betas, dim=0)


class Denoiser(nn.Module):
    def __init__(self):
        super().__init__()
        self.time = nn.Embedding(T, 16)
        self.inp = nn.Linear(2 + 16, 64)
        self.mid = nn.Linear(64, 64)
        self.out = nn.Linear(64, 2)

    def forward(self, x, t):
        h = torch.cat([x, self.time(t)], dim=-1)
        h = F.silu(self.inp(h))
        h = h + F.silu(self.mid(h))
        return self.out(h)


@torch.no_grad()
def sample(model, n):
    x = torch.randn(n, 2)
    for t in reversed(range(T)):
        eps = model(x, torch.full((n,), t))
        alpha, bar = 1 - betas[t], alphas_bar[t]
        x = (x - betas[t] / (1 - bar).sqrt() * eps) / alpha.sqrt()
        if t > 0:
            x = x + betas[t].sqrt() * torch.randn_like(x)
    return x


torch.manual_seed(0)
model = Denoiser()
opt = torch.optim.Adam(model.parameters(), lr=2e-3)
for step in range(300):
    angle = 6.2832 * torch.rand(128)
    x0 = torch.stack((angle.cos(), angle.sin()), dim=1)
    t = torch.randint(0, T, (128,))
    noise = torch.randn_like(x0)
    bar = alphas_bar[t].unsqueeze(1)
    noisy = bar.sqrt() * x0 + (1 - bar).sqrt() * noise
    loss = F.mse_loss(model(noisy, t), noise)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 100 == 0:
        print(step, loss.item())
print("radius", sample(model, 100).norm(dim=1).mean().item())
