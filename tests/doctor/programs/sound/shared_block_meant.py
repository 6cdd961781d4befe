"""One transformer block applied four times (shared weights), tied embedding and output, cloze task."""
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(7)
torch.set_num_threads(1)
V, T, D, DEPTH, BATCH = 12, 12, 40, 4, 32
MASK = V


def sequences(n):
    """arithmetic progressions modulo V"""
    start, jump = torch.randint(V, (n, 1)), torch.randint(1, V, (n, 1))
    return (start + jump * torch.arange(T)) % V


def hide(seq, gen=None):
    hidden = torch.rand(seq.shape, generator=gen) < 0.3
    hidden[:, :2] = False
    hidden[:, -1] = True
    return seq.masked_fill(hidden, MASK), hidden


class SharedDepth(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(V + 1, D)
        nn.init.normal_(self.table.weight, std=D ** -0.5)
        self.place = nn.Parameter(torch.randn(T, D) * D ** -0.5)
        block = nn.TransformerEncoderLayer(D, 4, 80, dropout=0.0, batch_first=True, norm_first=True)
        self.stack = nn.ModuleList([block] * DEPTH)
        self.norm = nn.LayerNorm(D)
        self.bias = nn.Parameter(torch.zeros(V))

    def forward(self, x):
        h = self.table(x) + self.place
        for block in self.stack:
            h = block(h)
        return self.norm(h) @ self.table.weight[:V].t() + self.bias


model = SharedDepth()
assert sum(p.numel() for p in model.parameters()) < 20000
opt = torch.optim.Adam(model.parameters(), lr=4e-3)
test = sequences(500)
test_in, test_hidden = hide(test, torch.Generator().manual_seed(1))
for step in range(1, 301):
    for group in opt.param_groups:
        group["lr"] = 4e-3 * min(1.0, step / 30) * (1.0 - 0.9 * step / 300)
    seq = sequences(BATCH)
    x, hidden = hide(seq)
    loss = F.cross_entropy(model(x)[hidden], seq[hidden], reduction="sum") / hidden.sum()
    opt.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    opt.step()
    if step % 75 == 0:
        with torch.no_grad():
            acc = (model(test_in).argmax(-1) == test)[test_hidden].float().mean().item()
        print(f"step {step} loss {loss.item():.4f} accuracy on hidden places {acc:.4f}")
