import os
import tempfile

import torch
from torch import nn


def build():
    model = nn.Sequential(nn.Linear(3, 24), nn.CELU(), nn.Linear(24, 1))
    optimizer = torch.optim.RAdam(model.parameters(), lr=1e-2)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.95)
    return model, optimizer, scheduler


def train(model, optimizer, scheduler, first, last, path, x, y):
    for epoch in range(first, last):
        model.train()
        for rows in torch.randperm(len(x)).split(25):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x[rows]), y[rows])
            loss.backward()
            optimizer.step()
        scheduler.step()
        torch.save(
            {
                "epoch": epoch + 1,
                "model": model.state_dict(),
                "optimizer": optimizer.state_dict(),
                "scheduler": scheduler.state_dict(),
            },
            path,
        )
        print(f"epoch {epoch} loss {loss.item():.5f}")


torch.manual_seed(0)
x = torch.randn(300, 3)
y = x.prod(dim=1, keepdim=True).tanh() + x[:, :1]
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "last.pt")
    train(*build(), 0, 5, path, x, y)
    # as if it had been another day
    model, optimizer, scheduler = build()
    saved = torch.load(path, map_location="cpu", weights_only=True)
    model.load_state_dict(saved["model"])
    optimizer.load_state_dict(saved["optimizer"])
    scheduler.load_state_dict(saved["scheduler"])
    train(model, optimizer, scheduler, saved["epoch"], 10, path, x, y)
