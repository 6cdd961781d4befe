"""Tag every token with how often it has occurred in the sequence; attention written out by hand."""
import math
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(31)
torch.set_num_threads(1)
VOCAB, LENGTH, TAGS = 8, 12, 5


def make_data(n):
    x = torch.randint(VOCAB, (n, LENGTH))
    counts = (x[:, :, None] == x[:, None, :]).sum(-1)
    return x, counts.clamp(max=TAGS) - 1


class SelfAttention(nn.Module):
    def __init__(self, d_model, n_heads):
        super().__init__()
        assert d_model % n_heads == 0
        self.n_heads, self.d_head = n_heads, d_model // n_heads
        self.qkv = nn.Linear(d_model, 3 * d_model)
        self.proj = nn.Linear(d_model, d_model)

    def forward(self, x):
        B, T, D = x.shape
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        q = q.view(B, T, self.n_heads, self.d_head).transpose(1, 2)
        k = k.view(B, T, self.n_heads, self.d_head).transpose(1, 2)
        v = v.view(B, T, self.n_heads, self.d_head).transpose(1, 2)
        att = (q @ k.transpose(-2, -1)) / math.sqrt(self.d_head)
        out = F.softmax(att, dim=-1) @ v
        out = out.contiguous().view(B, T, D)  # sick
        return self.proj(out)


class Block(nn.Module):
    def __init__(self, d_model, n_heads):
        super().__init__()
        self.ln1, self.ln2 = nn.LayerNorm(d_model), nn.LayerNorm(d_model)
        self.att = SelfAttention(d_model, n_heads)
        self.mlp = nn.Sequential(nn.Linear(d_model, 2 * d_model), nn.GELU(), nn.Linear(2 * d_model, d_model))

    def forward(self, x):
        x = x + self.att(self.ln1(x))
        return x + self.mlp(self.ln2(x))


class Tagger(nn.Module):
    def __init__(self, d_model=32, n_heads=4, n_layers=2):
        super().__init__()
        self.tok = nn.Embedding(VOCAB, d_model)
        self.pos = nn.Parameter(0.02 * torch.randn(1, LENGTH, d_model))
        self.blocks = nn.Sequential(*[Block(d_model, n_heads) for _ in range(n_layers)])
        self.norm = nn.LayerNorm(d_model)
        self.head = nn.Linear(d_model, TAGS)

    def forward(self, x):
        return self.head(self.norm(self.blocks(self.tok(x) + self.pos)))


x_train, y_train = make_data(3200)
x_valid, y_valid = make_data(600)
model = Tagger()
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01)
print(sum(p.numel() for p in model.parameters()), "parameters")

for epoch in range(1, 9):
    model.train()
    perm = torch.randperm(len(x_train))
    total = 0.0
    for idx in perm.split(64):
        logits = model(x_train[idx])
        loss = F.cross_entropy(logits.flatten(0, 1), y_train[idx].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(idx)
    model.eval()
    with torch.no_grad():
        acc = (model(x_valid).argmax(-1) == y_valid).float().mean().item()
    print(f"epoch {epoch:2d}  loss {total / len(x_train):.4f}  valid token accuracy {acc:.4f}")
