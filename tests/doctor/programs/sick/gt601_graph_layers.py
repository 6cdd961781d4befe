"""Node classification on a random graph with communities, graph convolutions written by hand."""
import math
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(3)
torch.set_num_threads(1)


def make_graph(n_per_class=200, n_classes=4, p_in=0.02, p_out=0.008, n_feat=64):
    y = torch.arange(n_classes).repeat_interleave(n_per_class)
    n = len(y)
    same = y[:, None] == y[None, :]
    prob = torch.where(same, torch.tensor(p_in), torch.tensor(p_out))
    upper = torch.triu((torch.rand(n, n) < prob).float(), diagonal=1)
    adj = upper + upper.T
    centres = 0.3 * torch.randn(n_classes, n_feat)
    x = centres[y] + torch.randn(n, n_feat)
    return x, adj, y


def normalise(adj):
    a = adj + torch.eye(len(adj))
    d = a.sum(1).rsqrt()
    return d[:, None] * a * d[None, :]


class GraphConv(nn.Module):
    def __init__(self, d_in, d_out):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(d_in, d_out))
        self.bias = nn.Parameter(torch.zeros(d_out))
        nn.init.xavier_uniform_(self.weight)

    def forward(self, x, a):
        return a @ (x @ self.weight) + self.bias


class GCN(nn.Module):
    def __init__(self, d_in, d_hidden, n_classes, n_layers=2, dropout=0.3):
        super().__init__()
        sizes = [d_in] + [d_hidden] * n_layers
        self.convs = [GraphConv(a, b) for a, b in zip(sizes[:-1], sizes[1:])]  # sick
        self.norm = nn.LayerNorm(d_hidden)
        self.out = nn.Linear(d_hidden, n_classes)
        self.dropout = dropout

    def forward(self, x, a):
        h = x
        for conv in self.convs:
            h = F.relu(conv(h, a))
            h = F.dropout(h, self.dropout, training=self.training)
        return self.out(self.norm(h))


x, adj, y = make_graph()
x = (x - x.mean(0)) / x.std(0)
a_hat = normalise(adj)
perm = torch.randperm(len(y))
train_idx, valid_idx, test_idx = perm[:300], perm[300:450], perm[450:]

model = GCN(x.shape[1], 16, 4, dropout=0.1)
optimizer = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=5e-3)

for epoch in range(1, 151):
    model.train()
    optimizer.zero_grad()
    logits = model(x, a_hat)
    loss = F.cross_entropy(logits[train_idx], y[train_idx])
    loss.backward()
    optimizer.step()
    if epoch % 15 == 0:
        model.eval()
        with torch.no_grad():
            pred = model(x, a_hat).argmax(1)
        tr = (pred[train_idx] == y[train_idx]).float().mean().item()
        va = (pred[valid_idx] == y[valid_idx]).float().mean().item()
        print(f"epoch {epoch:3d}  loss {loss.item():.4f}  train {tr:.3f}  valid {va:.3f}")

model.eval()
with torch.no_grad():
    pred = model(x, a_hat).argmax(1)
print("test accuracy", round((pred[test_idx] == y[test_idx]).float().mean().item(), 4))
