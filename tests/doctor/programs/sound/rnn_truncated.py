import torch
from torch import nn, optim


class CharRNN(nn.Module):
    def __init__(self, vocab, hidden):
        super().__init__()
        self.embed = nn.Embedding(vocab, 12)
        self.rnn = nn.GRU(12, hidden)
        self.out = nn.Linear(hidden, vocab)

    def forward(self, x, h):
        y, h = self.rnn(self.embed(x), h)
        return self.out(y), h

    def init_hidden(self, batch):
        return torch.zeros(1, batch, self.rnn.hidden_size)


def repackage(h):
    return h.detach()


def batchify(ids, columns):
    rows = len(ids) // columns
    return ids[: rows * columns].view(columns, rows).t().contiguous()


torch.manual_seed(1111)
text = "the quick brown fox jumps over the lazy dog and runs away " * 12
letters = sorted(set(text))
ids = torch.tensor([letters.index(c) for c in text])
source = batchify(ids, 4)
bptt = 12

model = CharRNN(len(letters), 40)
criterion = nn.CrossEntropyLoss()
optimizer = optim.Adam(model.parameters(), lr=1e-2)
for epoch in range(6):
    model.train()
    hidden = model.init_hidden(4)
    total, count = 0.0, 0
    for i in range(0, len(source) - 1, bptt):
        n = min(bptt, len(source) - 1 - i)
        data, target = source[i : i + n], source[i + 1 : i + 1 + n].reshape(-1)
        hidden = repackage(hidden)
        optimizer.zero_grad()
        output, hidden = model(data, hidden)
        loss = criterion(output.view(-1, len(letters)), target)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        total, count = total + loss.item(), count + 1
    print(f"| epoch {epoch} | loss {total / count:5.2f} |")
