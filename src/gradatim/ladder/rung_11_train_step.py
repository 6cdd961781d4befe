"""Rung 11: the update as a function.

``make_train_step(model, loss_fn, optimizer)`` returns a function that makes
one update; it replaces the body of the loop, which is two lines from now on.
``gradatim.make_train_step`` is this one grown up: the same call, and it also
checks shapes, clips gradients and splits large batches.
Source: the tutorial, "Training Step".
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from gradatim.data import line, line_split

__all__ = ["make_train_step", "run"]


def make_train_step(
    model: nn.Module,
    loss_fn: Callable[[Tensor, Tensor], Tensor],
    optimizer: torch.optim.Optimizer,
) -> Callable[[Tensor, Tensor], float]:
    """Make a function that makes one update and returns the loss."""

    # The inner function remembers the three it was made with (it is a
    # closure), so a call needs nothing but the batch.
    def train_step(x: Tensor, y: Tensor) -> float:
        model.train()
        predictions = model(x)  # step 1: predict, and take the loss
        loss = loss_fn(predictions, y)
        loss.backward()  # step 2: the gradients
        optimizer.step()  # step 3: the update
        optimizer.zero_grad()  # and ready for step 4, all of it again
        return loss.item()

    return train_step


# The seeds set below end with the function: the caller's random numbers are
# put back.
@torch.random.fork_rng(devices=range(torch.cuda.device_count()))
def run(epochs: int = 1000) -> tuple[float, float, dict[str, list[float]]]:
    """Train the sequential model; return a, b and the loss of every epoch."""
    (x_train, y_train), _ = line_split(*line())
    torch.manual_seed(42)
    model = nn.Sequential(nn.Linear(1, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    train_step = make_train_step(model, nn.MSELoss(), optimizer)
    print("train_step is", type(train_step))
    print("start", model.state_dict())

    losses = []
    for _ in range(epochs):
        losses.append(train_step(x_train, y_train))

    print("end  ", model.state_dict())
    print(f"first loss {losses[0]:.4f}, last loss {losses[-1]:.4f}")
    b, a = (p.item() for p in model.parameters())  # weight, then bias
    return a, b, {"train_loss": losses}


if __name__ == "__main__":
    run()
