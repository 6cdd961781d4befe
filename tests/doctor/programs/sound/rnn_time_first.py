"""Series with time along dim 0, as PyTorch's RNNs take them by default."""

import torch
from torch import nn


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(2, 16)
        self.out = nn.Linear(16, 1)

    def forward(self, x):
        return self.out(self.gru(x)[0])


class Last(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(2, 16)
        self.out = nn.Linear(16, 2)

    def forward(self, x):
        x = x.transpose(0, 1)
        _, (h, _) = self.lstm(x)
        return self.out(h[-1])


torch.manual_seed(0)
series = torch.randn(15, 120, 2)
sums = series.cumsum(dim=0)[..., :1]
tagger, last = Tagger(), Last()
opt = torch.optim.Adam([*tagger.parameters(), *last.parameters()], lr=5e-3)
for step in range(60):
    columns = torch.randperm(120)[:30]
    x = series[:, columns]
    loss = nn.functional.mse_loss(tagger(x), sums[:, columns])
    labels = (sums[-1, columns, 0] > 0).long()
    loss = loss + nn.functional.cross_entropy(last(x.transpose(0, 1)), labels)
    opt.zero_grad()
    loss.backward()
    opt.step()
