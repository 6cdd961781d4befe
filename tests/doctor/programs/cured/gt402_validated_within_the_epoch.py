"""Every 20 steps there is a validation; train() is called once an epoch."""

import torch
import torch.nn.functional as F
from torch import nn


class Trainer:
    def __init__(self, model, x, y):
        self.model = model
        self.x, self.y = x[:800], y[:800]
        self.x_val, self.y_val = x[800:], y[800:]
        self.optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def step(self, rows):
        self.optimizer.zero_grad()
        loss = F.binary_cross_entropy_with_logits(
            self.model(self.x[rows]), self.y[rows]
        )
        loss.backward()
        self.optimizer.step()

    def validate(self):
        self.model.eval()
        with torch.no_grad():
            logits = self.model(self.x_val)
            loss = F.binary_cross_entropy_with_logits(logits, self.y_val).item()
        self.model.train()
        return loss

    def fit(self, epochs):
        for epoch in range(epochs):
            self.model.train()
            for i, rows in enumerate(torch.randperm(800).split(20)):
                self.step(rows)
                if i % 20 == 10:
                    print(epoch, i, self.validate())


torch.manual_seed(0)
x = torch.randn(1000, 8)
y = (x[:, 0] * x[:, 1] > 0).float()
net = nn.Sequential(
    nn.Linear(8, 64), nn.ReLU(), nn.Dropout(0.3), nn.Linear(64, 1), nn.Flatten(0)
)
Trainer(net, x, y).fit(epochs=3)
