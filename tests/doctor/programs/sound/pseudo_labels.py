"""Few labels: confident predictions on weakly changed rows are targets (FixMatch)."""

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
x = torch.randn(400, 2) + torch.tensor([2.0, 0.0]) * torch.randint(0, 2, (400, 1))
y = (x[:, 0] > 1).long()
labelled, rest = x[:20], x[20:]
model = nn.Sequential(
    nn.Linear(2, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.1), nn.Linear(32, 2)
)
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
for step in range(100):
    rows = torch.randint(20, (16,))
    batch = rest[torch.randint(len(rest), (32,))]
    with torch.no_grad():
        probs = F.softmax(model(batch + 0.01 * torch.randn_like(batch)), dim=1)
    confidence, pseudo = probs.max(dim=1)
    logits = model(torch.cat([labelled[rows], batch + 0.2 * torch.randn_like(batch)]))
    loss = F.cross_entropy(logits[:16], y[:20][rows])
    each = F.cross_entropy(logits[16:], pseudo, reduction="none")
    loss = loss + (each * (confidence > 0.8)).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
model.eval()
with torch.no_grad():
    print((model(x).argmax(1) == y).float().mean().item())
