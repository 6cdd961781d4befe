# One word at a time (batch of 1): guess the invented language of a name with a GRU cell
import random
import torch
import torch.nn as nn

random.seed(7)
torch.manual_seed(7)
torch.set_num_threads(1)

SYLLABLES = {
    "norvish": ["ska", "bjo", "rik", "un", "dal", "ga", "tor", "el"],
    "meridic": ["lo", "ria", "ne", "to", "ga", "va", "el", "mi"],
    "quathi": ["qua", "thi", "xo", "un", "mi", "zar", "to", "ky"],
}
LANGS = list(SYLLABLES)
LETTERS = sorted({c for group in SYLLABLES.values() for s in group for c in s})


def make_name():
    label = random.randrange(len(LANGS))
    return "".join(random.choices(SYLLABLES[LANGS[label]], k=random.randint(2, 5))), label


class Reader(nn.Module):
    def __init__(self, d=32):
        super().__init__()
        self.emb = nn.Embedding(len(LETTERS), d)
        self.cell = nn.GRUCell(d, d)
        self.norm = nn.LayerNorm(d)
        self.out = nn.Linear(d, len(LANGS))

    def forward(self, ids):
        h = torch.zeros(1, self.cell.hidden_size)
        for e in self.emb(ids).split(1):
            h = self.cell(e, h)
        return self.out(self.norm(h))


def encode(name):
    return torch.tensor([LETTERS.index(c) for c in name])


names = list({make_name() for _ in range(2500)})
names.sort()
random.shuffle(names)
valid_names, train_names = names[:250], names[250:1250]

model = Reader()
optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
criterion = nn.CrossEntropyLoss()

for epoch in range(1, 6):
    model.train()
    random.shuffle(train_names)
    recent = []
    for i, (name, label) in enumerate(train_names, 1):
        optimizer.zero_grad()
        loss = criterion(model(encode(name)), torch.tensor([label]))
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        recent.append(loss.item())
    model.eval()
    with torch.no_grad():
        right = sum(model(encode(n)).argmax(1).item() == label for n, label in valid_names)
    print(f"epoch {epoch}  {len(train_names)} names  loss {sum(recent) / len(recent):.4f}  "
          f"valid accuracy {right / len(valid_names):.3f}")

with torch.no_grad():
    for name in ("skarikdal", "loriane", "quathixo"):
        print(name, LANGS[model(encode(name)).argmax(1).item()])
