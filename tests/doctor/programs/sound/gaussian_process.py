"""Gaussian process regression: three positive hyper-parameters by LBFGS on the marginal likelihood."""
import math

import torch

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)
torch.manual_seed(1)


def truth(x):
    return torch.sin(3 * x) + 0.4 * x


x = torch.sort(torch.rand(120) * 4).values
y = truth(x) + 0.15 * torch.randn(120)
x_new = torch.linspace(0.1, 3.9, 200)
shift = y.mean()
y = y - shift

raw = {name: torch.tensor(value, requires_grad=True) for name, value in
       {"log_length": 0.5, "log_scale": 0.0, "log_noise": -1.0}.items()}


def kernel(a, b):
    d = (a[:, None] - b[None, :]) / raw["log_length"].exp()
    return (2 * raw["log_scale"]).exp() * torch.exp(-0.5 * d * d)


def factor():
    k = kernel(x, x) + (2 * raw["log_noise"]).exp() * torch.eye(len(x))
    return torch.linalg.cholesky(k)


def negative_log_likelihood():
    chol = factor()
    alpha = torch.cholesky_solve(y[:, None], chol)
    return 0.5 * (y[:, None] * alpha).sum() + chol.diagonal().log().sum() + 0.5 * len(x) * math.log(2 * math.pi)


opt = torch.optim.LBFGS(raw.values(), lr=0.5, max_iter=15, line_search_fn="strong_wolfe")


def closure():
    opt.zero_grad()
    loss = negative_log_likelihood()
    loss.backward()
    return loss


for outer in range(5):
    value = opt.step(closure)
    print(outer, "nll at the start of the call %.4f" % value.item(),
          {k: round(v.exp().item(), 4) for k, v in raw.items()})

with torch.no_grad():
    mean = kernel(x_new, x) @ torch.cholesky_solve(y[:, None], factor())[:, 0] + shift
print("rmse against the noise-free curve %.4f" % (mean - truth(x_new)).pow(2).mean().sqrt().item())
