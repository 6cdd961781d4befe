"""A character language model, in the manner of makemore."""

import torch
import torch.nn.functional as F

TEXT = (
    """
she sells sea shells by the sea shore the shells she sells are sea shells
peter piper picked a peck of pickled peppers how many pickled peppers
how much wood would a woodchuck chuck if a woodchuck could chuck wood
"""
    * 4
)

chars = sorted(set(TEXT))
stoi = {c: i for i, c in enumerate(chars)}
itos = {i: c for c, i in stoi.items()}
block_size = 4

X, Y = [], []
context = [0] * block_size
for ch in TEXT:
    X.append(context)
    Y.append(stoi[ch])
    context = context[1:] + [stoi[ch]]
X, Y = torch.tensor(X), torch.tensor(Y)

g = torch.Generator().manual_seed(2147483647)
C = torch.randn((len(chars), 6), generator=g)
W1 = torch.randn((block_size * 6, 64), generator=g) * (5 / 3) / (block_size * 6) ** 0.5
b1 = torch.randn(64, generator=g) * 0.01
W2 = torch.randn((64, len(chars)), generator=g) * 0.05
b2 = torch.zeros(len(chars))
parameters = [C, W1, b1, W2, b2]
for p in parameters:
    p.requires_grad = True

lossi = []
for i in range(500):
    ix = torch.randint(0, X.shape[0], (48,), generator=g)
    emb = C[X[ix]]
    h = torch.tanh(emb.view(-1, block_size * 6) @ W1 + b1)
    logits = h @ W2 + b2
    loss = F.cross_entropy(logits, Y[ix])
    for p in parameters:
        p.grad = None
    loss.backward()
    lr = 0.2 if i < 350 else 0.02
    for p in parameters:
        p.data += -lr * p.grad
    lossi.append(loss.item())

print("first", sum(lossi[:20]) / 20, "last", sum(lossi[-20:]) / 20)

out, context = [], [0] * block_size
for _ in range(60):
    with torch.no_grad():
        h = torch.tanh(C[torch.tensor([context])].view(1, -1) @ W1 + b1)
        probs = F.softmax(h @ W2 + b2, dim=1)
    ix = torch.multinomial(probs, num_samples=1, generator=g).item()
    context = context[1:] + [ix]
    out.append(itos[ix])
print("".join(out))
