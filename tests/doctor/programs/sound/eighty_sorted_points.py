"""Eighty points, one batch: two spirals, sorted by class, full-batch gradient descent."""
import math
import torch
import torch.nn as nn

torch.manual_seed(12)
torch.set_num_threads(1)


def spiral(n, turn):
    t = torch.linspace(0.15, 1.0, n)
    a = 1.4 * math.pi * t + turn
    return torch.stack([t * a.cos(), t * a.sin()], 1) * 2 + 0.04 * torch.randn(n, 2)


def dataset(n):
    x = torch.cat([spiral(n, 0.0), spiral(n, math.pi)])
    y = torch.cat([torch.zeros(n), torch.ones(n)]).unsqueeze(1)
    return x, y


class Net(nn.Module):
    def __init__(self, width=32):
        super().__init__()
        self.hidden = nn.ModuleList([nn.Linear(2, width), nn.Linear(width, width)])
        self.last = nn.Linear(width, 1)

    def forward(self, x):
        for layer in self.hidden:
            x = torch.tanh(layer(x))
        return torch.sigmoid(self.last(x))


x, y = dataset(40)
x_new, y_new = dataset(200)
net = Net()
criterion = nn.BCELoss()
optimizer = torch.optim.Adam(net.parameters(), lr=0.01, weight_decay=1e-5)

for step in range(1, 801):
    optimizer.zero_grad()
    out = net(x)
    loss = criterion(out, y)
    loss.backward()
    optimizer.step()
    if step % 100 == 0:
        with torch.no_grad():
            train_acc = ((out > 0.5) == (y > 0.5)).float().mean().item()
            new_acc = ((net(x_new) > 0.5) == (y_new > 0.5)).float().mean().item()
        print(f"step {step:4d}  loss {loss.item():.4f}  accuracy {train_acc:.3f}  new points {new_acc:.3f}")

grid = torch.stack(torch.meshgrid(torch.linspace(2, -2, 13), torch.linspace(-2, 2, 27), indexing="ij"), -1).flip(-1)
with torch.no_grad():
    picture = net(grid.reshape(-1, 2)).view(13, 27)
for row in picture:
    print("".join("#" if v > 0.5 else "." for v in row))
