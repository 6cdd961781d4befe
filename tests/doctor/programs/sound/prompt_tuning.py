"""A soft prompt before a language model of random weights that stands for a large one."""

import torch
import torch.nn.functional as F
from torch import nn


class Prompt(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.tokens = nn.Parameter(0.1 * torch.randn(4, size))

    def forward(self, embedded):
        return torch.cat([self.tokens.expand(len(embedded), -1, -1), embedded], 1)


torch.manual_seed(0)
tokens = torch.randint(0, 20, (128, 6))
y = (tokens[:, 0] > 9).long()
embedding = nn.Embedding(20, 16)
model = nn.GRU(16, 16, batch_first=True)
head = nn.Linear(16, 2)
for part in (embedding, model, head):
    part.requires_grad_(False)
prompt = Prompt(16)
optimizer = torch.optim.Adam(prompt.parameters(), lr=1e-2)
for epoch in range(10):
    for rows in torch.randperm(128).split(32):
        optimizer.zero_grad()
        out = model(prompt(embedding(tokens[rows])))[0][:, -1]
        F.cross_entropy(head(out), y[rows]).backward()
        optimizer.step()
