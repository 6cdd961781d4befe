"""A transformer encoder over series, trained on random rows without a loader."""

import torch
import torch.nn.functional as F
from torch import nn


class Model(nn.Module):
    def __init__(self, dim=16):
        super().__init__()
        self.inp = nn.Linear(2, dim)
        self.pos = nn.Parameter(torch.randn(10, dim) * 0.1)
        layer = nn.TransformerEncoderLayer(dim, 2, 32, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1)
        self.out = nn.Linear(dim, 1)

    def forward(self, x):
        h = self.encoder(self.inp(x) + self.pos)
        return self.out(h.mean(dim=1)).squeeze(-1)


torch.manual_seed(0)
series = torch.randn(256, 10, 2)
target = series[:, :, 0].amax(dim=1)
model = Model()
opt = torch.optim.Adam(model.parameters(), lr=3e-3)
for step in range(80):
    rows = torch.randint(256, (24,))
    loss = F.mse_loss(model(series[rows]), target[rows])
    opt.zero_grad()
    loss.backward()
    opt.step()
