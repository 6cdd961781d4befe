import copy

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
x = torch.randn(256, 8)
y = x[:, :3].argmax(1)
vx = torch.randn(128, 8)
vy = vx[:, :3].argmax(1)
model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 3))
opt = torch.optim.Adam(model.parameters(), lr=1e-2)


def train_epoch():
    model.train()
    for rows in torch.randperm(256).split(32):
        opt.zero_grad()
        F.cross_entropy(model(x[rows]), y[rows]).backward()
        opt.step()


def evaluate(model):
    model.eval()
    with torch.no_grad():
        return (model(vx).argmax(1) == vy).float().mean().item()


class EarlyStopping:
    def __init__(self):
        self.best_score, self.best_model = 0, None

    def __call__(self, score, model):
        if score > self.best_score:
            self.best_score = score
            self.best_model = copy.deepcopy(model)


stopper = EarlyStopping()
for epoch in range(10):
    train_epoch()
    stopper(evaluate(model), model)
print(evaluate(stopper.best_model))
