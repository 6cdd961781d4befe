"""A linear probe on a body whose weights come from a file, without no_grad."""

import io

import torch
import torch.nn.functional as F
from torch import nn


def make_body():
    return nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU())


torch.manual_seed(0)
x = torch.randn(256, 8)
other, y = (x[:, 3] > 0).long(), x[:, :3].argmax(1)
whole = nn.Sequential(make_body(), nn.Linear(32, 2))
for _ in range(60):  # stands for a training of long ago, by hand
    loss = F.cross_entropy(whole(x), other)
    grads = torch.autograd.grad(loss, list(whole.parameters()))
    with torch.no_grad():
        for p, g in zip(whole.parameters(), grads):
            p -= 0.3 * g
file = io.BytesIO()
torch.save(whole[0].state_dict(), file)
file.seek(0)

body = make_body()
body.load_state_dict(torch.load(file))
head = nn.Linear(32, 3)
optimizer = torch.optim.Adam(head.parameters(), lr=1e-2)
for epoch in range(10):
    for rows in torch.randperm(256).split(32):
        optimizer.zero_grad()
        loss = F.cross_entropy(head(body(x[rows])), y[rows])
        loss.backward()
        optimizer.step()
print(loss.item())
