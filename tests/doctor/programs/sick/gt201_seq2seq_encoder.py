import torch
import torch.nn.functional as F
from torch import nn


class Encoder(nn.Module):
    def __init__(self, vocab, size):
        super().__init__()
        self.embedding = nn.Embedding(vocab, size)
        self.gru = nn.GRU(size, size, batch_first=True)

    def forward(self, x):
        return self.gru(self.embedding(x))[1]


class Decoder(nn.Module):
    def __init__(self, vocab, size):
        super().__init__()
        self.embedding = nn.Embedding(vocab, size)
        self.gru = nn.GRU(size, size, batch_first=True)
        self.out = nn.Linear(size, vocab)

    def forward(self, x, hidden):
        y, hidden = self.gru(self.embedding(x), hidden)
        return self.out(y), hidden


torch.manual_seed(0)
src = torch.randint(2, 10, (320, 5))
tgt = src.flip(1)
encoder, decoder = Encoder(10, 24), Decoder(10, 24)
opt = torch.optim.Adam(decoder.parameters(), lr=5e-3)  # sick
for epoch in range(5):
    for rows in torch.randperm(320).split(32):
        x, y = src[rows], tgt[rows]
        opt.zero_grad()
        hidden = encoder(x)
        start = torch.cat([torch.ones(len(x), 1, dtype=torch.long), y[:, :-1]], 1)
        logits, _ = decoder(start, hidden)
        loss = F.cross_entropy(logits.reshape(-1, 10), y.reshape(-1))
        loss.backward()
        opt.step()
    print(epoch, loss.item())
