"""Encoder transformer that learns to output its input sequence reversed."""
import math
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, Dataset

torch.manual_seed(2024)
torch.set_num_threads(1)
VOCAB, LENGTH = 12, 10


class ReverseDataset(Dataset):
    def __init__(self, size, seed):
        g = torch.Generator().manual_seed(seed)
        self.data = torch.randint(VOCAB, (size, LENGTH), generator=g)

    def __len__(self):
        return len(self.data)

    def __getitem__(self, i):
        return self.data[i], self.data[i].flip(0)


class PositionalEncoding(nn.Module):
    def __init__(self, d_model, max_len=64):
        super().__init__()
        pos = torch.arange(max_len).unsqueeze(1)
        div = torch.exp(torch.arange(0, d_model, 2) * (-math.log(10000.0) / d_model))
        pe = torch.zeros(max_len, d_model)
        pe[:, 0::2], pe[:, 1::2] = torch.sin(pos * div), torch.cos(pos * div)
        self.register_buffer("pe", pe)

    def forward(self, x):
        return x + self.pe[: x.size(1)]


class Reverser(nn.Module):
    def __init__(self, d_model=32, heads=2, layers=1):
        super().__init__()
        self.embed = nn.Embedding(VOCAB, d_model)
        self.pos = PositionalEncoding(d_model)
        layer = nn.TransformerEncoderLayer(d_model, heads, 64, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers)
        self.out = nn.Linear(d_model, VOCAB)

    def forward(self, x):
        return self.out(self.encoder(self.pos(self.embed(x))))


def run_epoch(model, loader, criterion, optimizer=None, scheduler=None):
    training = optimizer is not None
    model.train(training)
    loss_sum, hits, n = 0.0, 0, 0
    with torch.set_grad_enabled(training):
        for src, tgt in loader:
            logits = model(src)
            loss = criterion(logits.reshape(-1, VOCAB), tgt.reshape(-1))
            if training:
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
            loss_sum += loss.item() * tgt.numel()
            hits += (logits.argmax(-1) == tgt).sum().item()
            n += tgt.numel()
    return loss_sum / n, hits / n


train_loader = DataLoader(ReverseDataset(3000, 0), batch_size=100, shuffle=True)
valid_loader = DataLoader(ReverseDataset(500, 1), batch_size=250)

model = Reverser()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=5, gamma=0.7)

for epoch in range(15):
    tr_loss, tr_acc = run_epoch(model, train_loader, criterion, optimizer, scheduler)
    scheduler.step()
    va_loss, va_acc = run_epoch(model, valid_loader, criterion)
    print(f"Epoch {epoch:2d}: train {tr_loss:.4f} / {tr_acc:.3f}, valid {va_loss:.4f} / {va_acc:.3f}")
