"""VQ-VAE whose codebook follows the mean of what it is given, without gradients."""

import torch
import torch.nn.functional as F
from torch import nn


class Quantizer(nn.Module):
    def __init__(self, num_codes, size, decay=0.9):
        super().__init__()
        self.decay = decay
        self.embedding = nn.Embedding(num_codes, size)
        self.register_buffer("count", torch.ones(num_codes))
        self.register_buffer("total", self.embedding.weight.detach().clone())

    def forward(self, z):
        codes = torch.cdist(z, self.embedding.weight).argmin(1)
        q = self.embedding(codes).detach()
        if self.training:
            with torch.no_grad():
                one_hot = F.one_hot(codes, len(self.count)).float()
                self.count.mul_(self.decay).add_(one_hot.sum(0), alpha=1 - self.decay)
                self.total.mul_(self.decay).add_(one_hot.T @ z, alpha=1 - self.decay)
                self.embedding.weight = nn.Parameter(self.total / self.count[:, None])
        return z + (q - z).detach(), F.mse_loss(z, q)


class VQVAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(12, 32), nn.ReLU(), nn.Linear(32, 4))
        self.quantizer = Quantizer(16, 4)
        self.decoder = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 12))

    def forward(self, x):
        q, commitment = self.quantizer(self.encoder(x))
        return self.decoder(q), commitment


torch.manual_seed(0)
x = torch.randn(8, 12)[torch.randint(0, 8, (512,))] + 0.1 * torch.randn(512, 12)
model = VQVAE()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(10):
    for batch in x[torch.randperm(512)].split(64):
        again, commitment = model(batch)
        loss = F.mse_loss(again, batch) + 0.25 * commitment
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
