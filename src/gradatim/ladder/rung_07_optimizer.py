"""Rung 7: an optimizer makes the updates.

``SGD([a, b], lr)`` replaces the update and the zeroing, with ``step()`` and
``zero_grad()``; another rule, here Adam, is then a change of one line.
Source: the tutorial, "Optimizer".
"""

import torch

from gradatim.data import line, line_split

__all__ = ["run"]


# The seeds set below end with the function: the caller's random numbers are
# put back.
@torch.random.fork_rng(devices=range(torch.cuda.device_count()))
def run(epochs: int = 1000) -> tuple[float, float, dict[str, list[float]]]:
    """Train a and b with SGD; return them and the loss of every epoch."""
    (x_train, y_train), _ = line_split(*line())
    torch.manual_seed(42)
    a = torch.randn(1, requires_grad=True)
    b = torch.randn(1, requires_grad=True)
    print(f"start     a {a.item():.4f}  b {b.item():.4f}")

    # The S stands for stochastic, but the optimizer sees gradients only. How
    # many points are in them is the loop's affair: here all 80, so this is
    # still batch gradient descent.
    optimizer = torch.optim.SGD([a, b], lr=0.1)

    losses = []
    for _ in range(epochs):
        predictions = a + b * x_train
        error = y_train - predictions
        loss = (error**2).mean()
        loss.backward()
        optimizer.step()  # updates a and b, with no_grad() inside
        optimizer.zero_grad()  # sets each .grad to None, cheaper than zeros
        losses.append(loss.item())

    print(f"SGD end   a {a.item():.4f}  b {b.item():.4f}")
    print("after zero_grad() a.grad is", a.grad)

    # Adam beside it: the same start, the same loop, another rule.
    torch.manual_seed(42)
    c = torch.randn(1, requires_grad=True)
    d = torch.randn(1, requires_grad=True)
    adam = torch.optim.Adam([c, d], lr=0.1)
    for _ in range(500):
        loss = ((y_train - (c + d * x_train)) ** 2).mean()
        loss.backward()
        adam.step()
        adam.zero_grad()
    print(f"Adam end  a {c.item():.4f}  b {d.item():.4f}  (500 epochs)")

    return a.item(), b.item(), {"train_loss": losses}


if __name__ == "__main__":
    run()
