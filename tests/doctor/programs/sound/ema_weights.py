import copy

import torch
from torch import nn


class EMA:
    """Moving average of weights, updated after each step."""

    def __init__(self, model, decay=0.95):
        self.decay = decay
        self.shadow = copy.deepcopy(model).eval()
        for p in self.shadow.parameters():
            p.requires_grad_(False)

    @torch.no_grad()
    def update(self, model):
        for s, p in zip(self.shadow.parameters(), model.parameters()):
            s.mul_(self.decay).add_(p, alpha=1 - self.decay)
        for s, b in zip(self.shadow.buffers(), model.buffers()):
            s.copy_(b)


def main():
    torch.manual_seed(0)
    x = torch.randn(600, 6)
    y = torch.tanh(x[:, :2]).sum(dim=1, keepdim=True) + 0.1 * torch.randn(600, 1)
    x_val, y_val = x[500:], y[500:]
    x, y = x[:500], y[:500]

    model = nn.Sequential(
        nn.Linear(6, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 1)
    )
    ema = EMA(model)
    opt = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    mse = nn.MSELoss()
    for epoch in range(8):
        model.train()
        for rows in torch.randperm(500).split(50):
            opt.zero_grad()
            loss = mse(model(x[rows]), y[rows])
            loss.backward()
            opt.step()
            ema.update(model)
        model.eval()
        with torch.no_grad():
            print(
                epoch,
                "model",
                mse(model(x_val), y_val).item(),
                "ema",
                mse(ema.shadow(x_val), y_val).item(),
            )


main()
