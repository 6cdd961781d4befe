"""Bags of words of unequal length; the embedding's gradient is sparse."""

import torch
from torch import nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader

PAD = 0


class BagOfWords(nn.Module):
    def __init__(self, vocab, dim=16):
        super().__init__()
        self.embedding = nn.Embedding(vocab, dim, padding_idx=PAD, sparse=True)
        self.linear = nn.Linear(dim, 2)

    def forward(self, words):
        mask = (words != PAD).unsqueeze(-1)
        total = (self.embedding(words) * mask).sum(dim=1)
        return self.linear(total / mask.sum(dim=1))


def collate(batch):
    words, labels = zip(*batch)
    return pad_sequence(words, batch_first=True, padding_value=PAD), torch.tensor(
        labels
    )


def sentence():
    label = int(torch.randint(2, ()))
    n = int(torch.randint(3, 9, ()))
    low = 1 if label else 15
    words = torch.where(
        torch.rand(n) < 0.7,
        torch.randint(low, low + 15, (n,)),
        torch.randint(1, 30, (n,)),
    )
    return words, label


torch.manual_seed(0)
sentences = [sentence() for _ in range(500)]
loader = DataLoader(sentences, batch_size=25, shuffle=True, collate_fn=collate)
model = BagOfWords(30)
sparse = torch.optim.SparseAdam(model.embedding.parameters(), lr=2e-2)
dense = torch.optim.Adam(model.linear.parameters(), lr=1e-2)
for epoch in range(6):
    for words, labels in loader:
        loss = nn.functional.cross_entropy(model(words), labels)
        sparse.zero_grad()
        dense.zero_grad()
        loss.backward()
        sparse.step()
        dense.step()
    print(epoch, loss.item())
