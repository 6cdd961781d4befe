"""Which token comes first, asked of self-attention written by hand."""

import math

import torch
import torch.nn.functional as F
from torch import nn


class SelfAttention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads, self.dim_head = heads, dim // heads
        self.query, self.key = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.value, self.out = nn.Linear(dim, dim), nn.Linear(dim, dim)

    def split(self, x):
        n, length, _ = x.shape
        return x.view(n, length, self.heads, self.dim_head).transpose(1, 2)

    def forward(self, x):
        n, length, dim = x.shape
        q, k, v = self.split(self.query(x)), self.split(self.key(x)), self.value(x)
        v = self.split(v)
        weights = (q @ k.transpose(-2, -1) / math.sqrt(self.dim_head)).softmax(dim=-1)
        return self.out((weights @ v).transpose(1, 2).reshape(n, length, dim))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.tokens = nn.Embedding(10, 32)
        self.places = nn.Parameter(torch.randn(14, 32) * 0.1)
        self.attention = SelfAttention(32, 4)
        self.head = nn.Linear(32, 10)

    def forward(self, tokens):
        h = self.tokens(tokens) + self.places
        return self.head((h + self.attention(h)).mean(dim=1))


torch.manual_seed(0)
x = torch.randint(10, (512, 14))
y = x[:, 0]
net = Net()
optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
for step in range(100):
    rows = torch.randint(512, (48,))
    loss = F.cross_entropy(net(x[rows]), y[rows])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(loss.item())
