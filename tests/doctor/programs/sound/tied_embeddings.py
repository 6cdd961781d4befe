"""Causal transformer language model with tied input and output embeddings."""
import math
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(8)
torch.set_num_threads(1)
VOCAB, BLOCK, D = 20, 24, 32

# a second-order Markov source with sparse transitions
logits = torch.randn(VOCAB, VOCAB, VOCAB) * 0.5 + 3.5 * torch.randn(1, VOCAB, VOCAB)
source = F.softmax(logits, dim=-1)


def generate(n_seq, length):
    seqs = torch.randint(VOCAB, (n_seq, 2))
    for _ in range(length - 2):
        p = source[seqs[:, -2], seqs[:, -1]]
        seqs = torch.cat([seqs, torch.multinomial(p, 1)], 1)
    return seqs


class Block(nn.Module):
    def __init__(self, d, heads):
        super().__init__()
        self.ln1, self.ln2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.attn = nn.MultiheadAttention(d, heads, dropout=0.0, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(d, 4 * d), nn.GELU(), nn.Linear(4 * d, d))

    def forward(self, x, mask):
        h = self.ln1(x)
        x = x + self.attn(h, h, h, attn_mask=mask, need_weights=False)[0]
        return x + self.mlp(self.ln2(x))


class TinyLM(nn.Module):
    def __init__(self):
        super().__init__()
        self.tok = nn.Embedding(VOCAB, D)
        self.pos = nn.Embedding(BLOCK, D)
        self.blocks = nn.ModuleList(Block(D, 4) for _ in range(2))
        self.ln = nn.LayerNorm(D)
        self.lm_head = nn.Linear(D, VOCAB, bias=False)
        self.apply(self._init)
        self.lm_head.weight = self.tok.weight

    def _init(self, m):
        if isinstance(m, (nn.Linear, nn.Embedding)):
            nn.init.normal_(m.weight, std=0.05)

    def forward(self, idx):
        T = idx.size(1)
        mask = torch.triu(torch.ones(T, T, dtype=torch.bool), diagonal=1)
        x = self.tok(idx) + self.pos(torch.arange(T))
        for block in self.blocks:
            x = block(x, mask)
        return self.lm_head(self.ln(x))


def lm_loss(model, seqs):
    out = model(seqs[:, :-1])
    return F.cross_entropy(out.reshape(-1, VOCAB), seqs[:, 1:].reshape(-1))


train, valid = generate(2400, BLOCK + 1), generate(400, BLOCK + 1)
model = TinyLM()
decay = [p for p in model.parameters() if p.dim() >= 2]
no_decay = [p for p in model.parameters() if p.dim() < 2]
optimizer = torch.optim.AdamW([{"params": decay, "weight_decay": 0.01}, {"params": no_decay, "weight_decay": 0.0}],
                              lr=3e-3, betas=(0.9, 0.95))
epochs, batch = 6, 60
total_steps = epochs * len(train) // batch
warmup = 20
scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: min((s + 1) / warmup, 0.5 * (1 + math.cos(math.pi * s / total_steps)) + 0.02))

for epoch in range(epochs):
    model.train()
    seen = []
    for idx in torch.randperm(len(train)).split(batch):
        loss = lm_loss(model, train[idx])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        seen.append(loss.item())
    model.eval()
    with torch.no_grad():
        v = lm_loss(model, valid).item()
    print(f"epoch {epoch + 1}  train {sum(seen) / len(seen):.4f}  valid {v:.4f}  ppl {math.exp(v):.2f}")
