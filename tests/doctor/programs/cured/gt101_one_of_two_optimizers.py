# Character-level GRU on a made-up corpus
import random
import torch
import torch.nn as nn
import torch.nn.functional as F

random.seed(5)
torch.manual_seed(5)
torch.set_num_threads(1)

subjects = ["the cat", "a small dog", "my old friend", "the captain", "every child", "a tired farmer"]
verbs = ["sees", "follows", "remembers", "paints", "carries", "avoids"]
objects = ["the river", "a red boat", "two lanterns", "the market", "a broken wheel", "the long road"]
text = " ".join(f"{random.choice(subjects)} {random.choice(verbs)} {random.choice(objects)}." for _ in range(700))

vocab = sorted(set(text))
stoi = {c: i for i, c in enumerate(vocab)}
data = torch.tensor([stoi[c] for c in text])
split = int(0.9 * len(data))
train_data, valid_data = data[:split], data[split:]
BLOCK, BATCH = 48, 32


def get_batch(source):
    ix = torch.randint(len(source) - BLOCK - 1, (BATCH,))
    x = torch.stack([source[i:i + BLOCK] for i in ix])
    y = torch.stack([source[i + 1:i + 1 + BLOCK] for i in ix])
    return x, y


class CharGRU(nn.Module):
    def __init__(self, n_vocab, d_emb=24, d_hidden=96):
        super().__init__()
        self.emb = nn.Embedding(n_vocab, d_emb)
        self.rnn = nn.GRU(d_emb, d_hidden, batch_first=True)
        self.out = nn.Linear(d_hidden, n_vocab)

    def forward(self, x, h=None):
        z, h = self.rnn(self.emb(x), h)
        return self.out(z), h

    @torch.no_grad()
    def sample(self, start, n):
        self.eval()
        idx, h, chars = torch.tensor([[stoi[start]]]), None, [start]
        for _ in range(n):
            logits, h = self(idx, h)
            idx = torch.multinomial(F.softmax(logits[:, -1], dim=-1), 1)
            chars.append(vocab[idx.item()])
        return "".join(chars)


@torch.no_grad()
def estimate_loss(model, n_batches=10):
    model.eval()
    losses = []
    for _ in range(n_batches):
        x, y = get_batch(valid_data)
        logits, _ = model(x)
        losses.append(F.cross_entropy(logits.flatten(0, 1), y.flatten()).item())
    return sum(losses) / len(losses)


model = CharGRU(len(vocab))
# the embedding gets plain SGD, everything else Adam
emb_params = list(model.emb.parameters())
rest = [p for n, p in model.named_parameters() if not n.startswith("emb")]
opt_emb = torch.optim.SGD(emb_params, lr=0.5)
opt_net = torch.optim.Adam(rest, lr=2e-3)

for step in range(1, 401):
    model.train()
    x, y = get_batch(train_data)
    logits, _ = model(x)
    loss = F.cross_entropy(logits.reshape(-1, len(vocab)), y.reshape(-1))
    opt_emb.zero_grad()
    opt_net.zero_grad()
    loss.backward()
    opt_net.step()
    opt_emb.step()
    if step % 50 == 0:
        print(f"step {step:4d}  train {loss.item():.4f}  valid {estimate_loss(model):.4f}")

print(model.sample("t", 120))
