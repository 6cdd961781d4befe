import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(1)
x = torch.randn(200, 4)
y = (x[:, 0] > 0).long()
model = nn.Linear(4, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)


def test(model, x, y):
    model.eval()
    with torch.no_grad():
        right = model(x).argmax(dim=1) == y
    model.train()
    return right.float().mean().item()


for epoch in range(60):
    optimizer.zero_grad()
    F.cross_entropy(model(x), y).backward()
    optimizer.step()
print(test(model, x, y))
