"""A Gaussian process whose three parameters are fitted by gradient descent."""

import math

import torch


class GP:
    def __init__(self):
        self.raw = {
            "scale": torch.tensor(0.0, requires_grad=True),
            "height": torch.tensor(0.0, requires_grad=True),
            "noise": torch.tensor(-1.0, requires_grad=True),
        }

    def kernel(self, a, b):
        d = (a[:, None] - b[None, :]) / self.raw["scale"].exp()
        return self.raw["height"].exp() ** 2 * torch.exp(-0.5 * d**2)

    def loss(self, x, y):
        n = len(x)
        K = self.kernel(x, x) + (self.raw["noise"].exp() ** 2 + 1e-5) * torch.eye(n)
        L = torch.linalg.cholesky(K)
        alpha = torch.cholesky_solve(y[:, None], L)
        fit = 0.5 * y @ alpha[:, 0]
        return (fit + L.diagonal().log().sum() + 0.5 * n * math.log(2 * math.pi)) / n


if __name__ == "__main__":
    torch.manual_seed(0)
    x = torch.linspace(0, 5, 40)
    y = torch.sin(2 * x) + 0.1 * torch.randn(40)
    gp = GP()
    optimizer = torch.optim.Adam(list(gp.raw.values()), lr=0.05)
    for i in range(150):
        optimizer.zero_grad()
        loss = gp.loss(x, y)
        loss.backward()
        optimizer.step()
        if i % 50 == 0:
            print(i, loss.item())
    print({k: v.exp().item() for k, v in gp.raw.items()})
