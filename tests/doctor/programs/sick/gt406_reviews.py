"""Bag-of-embeddings sentiment classifier on generated reviews."""
import random
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader

random.seed(2)
torch.manual_seed(2)
torch.set_num_threads(1)

GOOD = [f"good{i}" for i in range(60)]
BAD = [f"bad{i}" for i in range(60)]
NEUTRAL = "film plot actor scene music camera story end first second long short city night day house".split()


def review():
    label = random.randint(0, 1)
    mine, other = (GOOD, BAD) if label else (BAD, GOOD)
    words = random.choices(NEUTRAL, k=random.randint(6, 14)) + random.choices(mine, k=4) + random.choices(other, k=3)
    random.shuffle(words)
    return words, label


corpus = [review() for _ in range(2400)]
vocab = {"<pad>": 0}
for words, _ in corpus:
    for w in words:
        vocab.setdefault(w, len(vocab))


def collate(batch):
    longest = max(len(w) for w, _ in batch)
    ids = torch.zeros(len(batch), longest, dtype=torch.long)
    for i, (words, _) in enumerate(batch):
        ids[i, :len(words)] = torch.tensor([vocab[w] for w in words])
    return ids, torch.tensor([label for _, label in batch])


class ReviewClassifier(nn.Module):
    def __init__(self, n_words, d_emb=32, d_hidden=48, p_emb=0.1, p_hidden=0.5):
        super().__init__()
        self.emb = nn.Embedding(n_words, d_emb, padding_idx=0)
        self.emb_drop = nn.Dropout(p_emb)
        self.fc1 = nn.Linear(d_emb, d_hidden)
        self.fc2 = nn.Linear(d_hidden, 2)
        self.p_hidden = p_hidden

    def forward(self, ids):
        mask = (ids != 0).unsqueeze(-1).float()
        e = self.emb_drop(self.emb(ids)) * mask
        pooled = e.sum(1) / mask.sum(1)
        h = F.relu(self.fc1(pooled))
        h = F.dropout(h, self.p_hidden)  # sick
        return self.fc2(h)


def evaluate(model, loader):
    model.eval()
    loss = correct = n = 0
    with torch.no_grad():
        for ids, labels in loader:
            out = model(ids)
            loss += F.cross_entropy(out, labels, reduction="sum").item()
            correct += (out.argmax(1) == labels).sum().item()
            n += len(labels)
    return loss / n, correct / n


train_loader = DataLoader(corpus[:2000], batch_size=50, shuffle=True, collate_fn=collate)
valid_loader = DataLoader(corpus[2000:], batch_size=100, collate_fn=collate)
model = ReviewClassifier(len(vocab))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)

for epoch in range(12):
    model.train()
    running = 0.0
    for ids, labels in train_loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(ids), labels)
        loss.backward()
        optimizer.step()
        running += loss.item()
    v_loss, v_acc = evaluate(model, valid_loader)
    print(f"epoch {epoch:2d}: train {running / len(train_loader):.4f}  valid {v_loss:.4f}  acc {v_acc:.4f}")
