"""Rung 8: a loss function.

``nn.MSELoss(reduction="mean")`` replaces the error, its square and the mean.
It is made once and returns a function of predictions and targets.
Source: the tutorial, "Loss".
"""

import torch
from torch import nn

from gradatim.data import line, line_split

__all__ = ["run"]


# The seeds set below end with the function: the caller's random numbers are
# put back.
@torch.random.fork_rng(devices=range(torch.cuda.device_count()))
def run(epochs: int = 1000) -> tuple[float, float, dict[str, list[float]]]:
    """Train a and b; return them and the loss of every epoch."""
    (x_train, y_train), _ = line_split(*line())
    torch.manual_seed(42)
    a = torch.randn(1, requires_grad=True)
    b = torch.randn(1, requires_grad=True)
    print(f"start  a {a.item():.4f}  b {b.item():.4f}")

    loss_fn = nn.MSELoss(reduction="mean")
    optimizer = torch.optim.SGD([a, b], lr=0.1)
    print("loss_fn is", loss_fn)

    losses = []
    for _ in range(epochs):
        predictions = a + b * x_train
        loss = loss_fn(predictions, y_train)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())

    print(f"end    a {a.item():.4f}  b {b.item():.4f}")

    # "mean" or "sum"? The best line is the same, but a sum grows with the
    # number of points, and the gradient of a with it: a learning rate that
    # suits the mean is 80 times too large for the sum of 80 points.
    for reduction in ("mean", "sum"):
        torch.manual_seed(42)
        c = torch.randn(1, requires_grad=True)
        d = torch.randn(1, requires_grad=True)
        loss = nn.MSELoss(reduction=reduction)(c + d * x_train, y_train)
        (grad,) = torch.autograd.grad(loss, [c])
        print(f"{reduction:4} loss {loss.item():8.4f}  grad {grad.item():.4f}")

    return a.item(), b.item(), {"train_loss": losses}


if __name__ == "__main__":
    run()
