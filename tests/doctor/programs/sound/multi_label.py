import torch
import torch.nn as nn


class MultiLabel(nn.Module):
    def __init__(self, n_in, n_labels):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(n_in, 40), nn.ReLU(), nn.Linear(40, n_labels)
        )

    def forward(self, x):
        return torch.sigmoid(self.net(x))


def f1(p, y):
    hit = ((p > 0.5) & (y > 0.5)).sum().float()
    return (2 * hit / ((p > 0.5).sum() + y.sum())).item()


torch.manual_seed(0)
X = torch.randn(640, 10)
Y = (X @ torch.randn(10, 5) > 0).float()
model = MultiLabel(10, 5)
loss_fn = nn.BCELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
for epoch in range(10):
    for rows in torch.randperm(512).split(64):
        probabilities = model(X[rows])
        loss = loss_fn(probabilities, Y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        print(epoch, loss.item(), "f1", f1(model(X[512:]), Y[512:]))
