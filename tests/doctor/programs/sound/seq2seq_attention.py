"""Reverse a sequence: encoder, decoder, and attention between the two."""

import random

import torch
from torch import nn

SOS, SIZE, LENGTH = 0, 8, 5


class Encoder(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.embedding = nn.Embedding(SIZE, hidden)
        self.gru = nn.GRU(hidden, hidden, batch_first=True)

    def forward(self, tokens):
        return self.gru(self.embedding(tokens))


class AttnDecoder(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.embedding = nn.Embedding(SIZE, hidden)
        self.gru = nn.GRU(2 * hidden, hidden, batch_first=True)
        self.query = nn.Linear(hidden, hidden)
        self.out = nn.Linear(hidden, SIZE)

    def forward(self, token, hidden, encoded):
        score = torch.bmm(encoded, self.query(hidden[-1]).unsqueeze(2)).squeeze(2)
        weights = torch.softmax(score, dim=1)
        context = torch.bmm(weights.unsqueeze(1), encoded)
        x = torch.cat([self.embedding(token), context], dim=2)
        y, hidden = self.gru(x, hidden)
        return self.out(y), hidden


random.seed(0)
torch.manual_seed(0)
encoder, decoder = Encoder(32), AttnDecoder(32)
enc_opt = torch.optim.Adam(encoder.parameters(), lr=1e-2)
dec_opt = torch.optim.Adam(decoder.parameters(), lr=1e-2)
criterion = nn.CrossEntropyLoss()
for step in range(120):
    source = torch.randint(1, SIZE, (32, LENGTH))
    target = source.flip(1)
    enc_opt.zero_grad()
    dec_opt.zero_grad()
    encoded, hidden = encoder(source)
    token = torch.full((32, 1), SOS)
    loss = 0.0
    forcing = random.random() < 0.5
    for t in range(LENGTH):
        logits, hidden = decoder(token, hidden, encoded)
        loss = loss + criterion(logits.squeeze(1), target[:, t])
        token = target[:, t : t + 1] if forcing else logits.argmax(-1).detach()
    loss.backward()
    enc_opt.step()
    dec_opt.step()
    if step % 30 == 0:
        print(step, loss.item() / LENGTH)
