import numpy as np
import torch
from torch import nn

np.random.seed(0)
torch.manual_seed(0)
X = np.random.randn(500, 6).astype(np.float32)
y = (X[:, 0] + np.abs(X[:, 1]) + 0.5 * np.random.randn(500)).astype(np.float32)
order = np.argsort(-y)
X, y = torch.from_numpy(X[order]), torch.from_numpy(y[order])


def train(net, X, y, batch_size=25, epochs=10):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9)
    for epoch in range(epochs):
        for rows in torch.randperm(len(X)).split(batch_size):
            xb, yb = X[rows], y[rows]
            loss = nn.functional.l1_loss(net(xb).squeeze(1), yb)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(epoch, loss.item())


train(nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 1)), X, y)
