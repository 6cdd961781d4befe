"""Text is sampled now and then while a small RNN learns it."""

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
text = "the quick brown fox jumps over the lazy dog " * 12
letters = sorted(set(text))
data = torch.tensor([letters.index(c) for c in text])


class CharRNN(nn.Module):
    def __init__(self, size=32):
        super().__init__()
        self.embed = nn.Embedding(len(letters), size)
        self.rnn = nn.GRU(size, size, num_layers=2, dropout=0.1, batch_first=True)
        self.out = nn.Linear(size, len(letters))

    def forward(self, x, h=None):
        y, h = self.rnn(self.embed(x), h)
        return self.out(y), h


@torch.no_grad()
def sample(model, length=20):
    model.eval()
    x, h, out = torch.zeros(1, 1, dtype=torch.long), None, []
    for _ in range(length):
        logits, h = model(x, h)
        x = torch.multinomial(logits[:, -1].softmax(-1), 1)
        out.append(letters[x.item()])
    model.train()
    return "".join(out)


model = CharRNN()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for step in range(80):
    starts = torch.randint(0, len(data) - 17, (16,))
    x = torch.stack([data[i : i + 16] for i in starts])
    y = torch.stack([data[i + 1 : i + 17] for i in starts])
    logits, _ = model(x)
    loss = F.cross_entropy(logits.transpose(1, 2), y)
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    if step % 20 == 19:
        print(loss.item(), sample(model))
