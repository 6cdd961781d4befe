import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
x = torch.randn(256, 8)
other, y = (x[:, 3] > 0).long(), x[:, :3].argmax(1)
body = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU())
first_head, head = nn.Linear(32, 2), nn.Linear(32, 3)


def train(parameters, head, y):
    optimizer = torch.optim.Adam(parameters, lr=1e-2)
    for epoch in range(10):
        for rows in torch.randperm(256).split(32):
            optimizer.zero_grad()
            loss = F.cross_entropy(head(body(x[rows])), y[rows])
            loss.backward()
            optimizer.step()
    return loss.item()


print(train([*body.parameters(), *first_head.parameters()], first_head, other))
print(train(head.parameters(), head, y))
