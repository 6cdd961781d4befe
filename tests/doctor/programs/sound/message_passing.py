"""A network over small graphs: rings against stars, by sums over neighbours."""

import torch
from torch import nn
from torch.utils.data import DataLoader


class Layer(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.message = nn.Linear(2 * dim, dim)
        self.update = nn.GRUCell(dim, dim)

    def forward(self, h, edges):
        source, target = edges
        m = torch.relu(self.message(torch.cat([h[source], h[target]], dim=1)))
        total = torch.zeros_like(h).index_add_(0, target, m)
        return self.update(total, h)


class Net(nn.Module):
    def __init__(self, dim=16, rounds=2):
        super().__init__()
        self.encode = nn.Linear(4, dim)
        self.layer = Layer(dim)  # the same in each round
        self.rounds = rounds
        self.readout = nn.Linear(dim, 1)

    def forward(self, x, edges, graph, num_graphs):
        h = self.encode(x)
        for _ in range(self.rounds):
            h = self.layer(h, edges)
        pooled = torch.zeros(num_graphs, h.size(1)).index_add_(0, graph, h)
        size = torch.bincount(graph, minlength=num_graphs).unsqueeze(1)
        return self.readout(pooled / size).squeeze(-1)


def ring_or_star():
    n = int(torch.randint(4, 9, ()))
    kind = int(torch.randint(2, ()))
    if kind:
        pairs = [(i, (i + 1) % n) for i in range(n)]
    else:
        pairs = [(0, i) for i in range(1, n)]
    edges = torch.tensor(pairs + [(b, a) for a, b in pairs]).t()
    return torch.randn(n, 4), edges, kind


def collate(graphs):
    xs, es, ids, ys, offset = [], [], [], [], 0
    for k, (x, e, y) in enumerate(graphs):
        xs.append(x)
        es.append(e + offset)
        ids.append(torch.full((len(x),), k))
        ys.append(float(y))
        offset += len(x)
    return torch.cat(xs), torch.cat(es, 1), torch.cat(ids), torch.tensor(ys)


torch.manual_seed(5)
loader = DataLoader(
    [ring_or_star() for _ in range(320)],
    batch_size=32,
    shuffle=True,
    collate_fn=collate,
)
net = Net()
optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
bce = nn.BCEWithLogitsLoss()
for epoch in range(10):
    right = 0
    for x, edges, graph, y in loader:
        logits = net(x, edges, graph, len(y))
        loss = bce(logits, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        right += ((logits > 0) == (y > 0.5)).sum().item()
    print(epoch, loss.item(), right / 320)
