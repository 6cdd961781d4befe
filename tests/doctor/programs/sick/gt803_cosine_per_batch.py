import torch
import torch.nn.functional as F
from torch import nn

EPOCHS = 8


def train(model, x, y):
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)
    for epoch in range(EPOCHS):
        for rows in torch.randperm(len(x)).split(16):
            optimizer.zero_grad()
            loss = F.mse_loss(model(x[rows]), y[rows])
            loss.backward()
            optimizer.step()
            scheduler.step()  # sick
        print(epoch, loss.item())


torch.manual_seed(0)
x = torch.randn(160, 3)
train(nn.Sequential(nn.Linear(3, 24), nn.Tanh(), nn.Linear(24, 1)), x, x[:, :1] ** 2)
