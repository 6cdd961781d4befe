import math

import torch
from torch import nn


class PositionalEncoding(nn.Module):
    def __init__(self, d_model, max_len=64):
        super().__init__()
        position = torch.arange(max_len).unsqueeze(1)
        div = torch.exp(torch.arange(0, d_model, 2) * (-math.log(10000.0) / d_model))
        pe = torch.zeros(1, max_len, d_model)
        pe[0, :, 0::2] = torch.sin(position * div)
        pe[0, :, 1::2] = torch.cos(position * div)
        self.register_buffer("pe", pe)

    def forward(self, x):
        return x + self.pe[:, : x.size(1)]


class Tagger(nn.Module):
    def __init__(self, vocab, d_model=32):
        super().__init__()
        self.d_model = d_model
        self.embedding = nn.Embedding(vocab, d_model)
        self.pos = PositionalEncoding(d_model)
        layer = nn.TransformerEncoderLayer(
            d_model, nhead=4, dim_feedforward=64, dropout=0.1, batch_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, num_layers=1)
        self.decoder = nn.Linear(d_model, 2)

    def forward(self, src, mask=None):
        src = self.pos(self.embedding(src) * math.sqrt(self.d_model))
        return self.decoder(self.encoder(src, src_key_padding_mask=mask))


def make_batch(n=32, length=10):
    # Mark what is larger than the first token.
    tokens = torch.randint(0, 12, (n, length))
    return tokens, (tokens > tokens[:, :1]).long()


def evaluate(model, criterion, batch):
    model.eval()
    with torch.no_grad():
        tokens, tags = batch
        out = model(tokens)
        return criterion(out.reshape(-1, 2), tags.reshape(-1)).item()


def main():
    torch.manual_seed(0)
    model = Tagger(12)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    held_out = make_batch(100)
    for step in range(121):
        model.train()
        tokens, tags = make_batch()
        loss = criterion(model(tokens).view(-1, 2), tags.view(-1))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % 40 == 0:
            print(step, loss.item(), evaluate(model, criterion, held_out))


if __name__ == "__main__":
    main()
