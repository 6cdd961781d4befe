"""Linear-in-features regression by hand: summed loss, own update rule, no optimizer object."""
import math
import numpy as np
import torch

torch.manual_seed(10)
torch.set_num_threads(1)
rng = np.random.default_rng(10)

# data: a noisy surface
n = 1200
xy = rng.uniform(-2, 2, size=(n, 2))
z = np.sin(2 * xy[:, 0]) * np.cos(xy[:, 1]) + 0.3 * xy[:, 0] + rng.normal(0, 0.1, n)
x = torch.tensor(xy, dtype=torch.float32)
y = torch.tensor(z, dtype=torch.float32).unsqueeze(1)
x_train, x_valid = x[:1000], x[1000:]
y_train, y_valid = y[:1000], y[1000:]

H, BATCH, LR, MOMENTUM = 64, 40, 6e-4, 0.9


def init(d_in, d_out):
    w = (torch.randn(d_in, d_out) / math.sqrt(d_in)).requires_grad_()
    b = torch.zeros(d_out, requires_grad=True)
    return [w, b]


params = init(2, H) + init(H, H) + init(H, 1)
velocity = [torch.zeros_like(p) for p in params]


def forward(x):
    w1, b1, w2, b2, w3, b3 = params
    h = torch.tanh(x @ w1 + b1)
    h = torch.tanh(h @ w2 + b2)
    return h @ w3 + b3


def sse(x, y):
    return ((forward(x) - y) ** 2).sum()


lr = LR
for epoch in range(120):
    order = torch.randperm(len(x_train))
    total = 0.0
    for idx in order.split(BATCH):
        loss = sse(x_train[idx], y_train[idx])
        loss.backward()
        with torch.no_grad():
            for p, v in zip(params, velocity):
                v.mul_(MOMENTUM).add_(p.grad)
                p -= lr * v
                p.grad.zero_()
        total += loss.item()
    if epoch in (70, 100):
        lr *= 0.3
    if epoch % 10 == 9:
        with torch.no_grad():
            valid = sse(x_valid, y_valid).item()
        print(f"epoch {epoch + 1:3d}  train SSE {total:9.3f}  ({total / len(x_train):.4f} each)  "
              f"valid SSE {valid:8.3f} ({valid / len(x_valid):.4f} each)")
