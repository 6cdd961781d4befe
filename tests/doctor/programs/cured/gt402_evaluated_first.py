"""A baseline is measured before training, by a function that puts eval on."""

import torch
import torch.nn.functional as F
from torch import nn


class Classifier(nn.Module):
    def __init__(self, num_features, num_classes):
        super().__init__()
        self.embed = nn.Linear(num_features, 32)
        self.drop = nn.Dropout(0.3)
        self.out = nn.Linear(32, num_classes)

    def forward(self, x):
        return self.out(self.drop(torch.tanh(self.embed(x))))


@torch.no_grad()
def evaluate(model, x, y):
    model.eval()
    return (model(x).argmax(-1) == y).float().mean().item()


def train_epoch(model, optimizer, x, y):
    model.train()
    for rows in torch.randperm(len(x)).split(25):
        loss = F.cross_entropy(model(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


if __name__ == "__main__":
    torch.manual_seed(3)
    x = torch.randn(200, 5)
    y = x[:, :3].argmax(dim=1)
    model = Classifier(5, 3)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    print("before", evaluate(model, x[150:], y[150:]))
    for epoch in range(10):
        train_epoch(model, optimizer, x[:150], y[:150])
        print(epoch, evaluate(model, x[150:], y[150:]))
