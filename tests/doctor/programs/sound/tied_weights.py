"""An embedding shared with the output layer, and a block used three times."""

import torch
import torch.nn.functional as F
from torch import nn


class Tied(nn.Module):
    def __init__(self, vocab=12, dim=24):
        super().__init__()
        self.embed = nn.Embedding(vocab, dim)
        self.block = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, dim), nn.GELU())
        self.head = nn.Linear(dim, vocab, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, tokens):
        h = self.embed(tokens)
        for _ in range(3):
            h = h + self.block(h)
        return self.head(h)


torch.manual_seed(0)
tokens = torch.arange(400) % 12
model = Tied()
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
for step in range(120):
    starts = torch.randint(380, (16,))
    x = torch.stack([tokens[i : i + 8] for i in starts])
    y = torch.stack([tokens[i + 1 : i + 9] for i in starts])
    loss = F.cross_entropy(model(x).flatten(0, 1), y.flatten())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(loss.item())
