"""Both loops: epochs of training, each with a validation after it."""

from typing import Any

import torch
from torch import Tensor, nn

from gradatim.course.exercise import expect

TEXT = """
Write `fit(model, epochs, train_loader, train_step, validate, scheduler)`. In each
epoch: train mode, `train_step(x, y)` for each batch, then `scheduler.step()` once, then
`validate()`, which returns the validation loss. Return the list of these losses.
"""
STUB = """
def fit(model, epochs, train_loader, train_step, validate, scheduler):
    val_losses = []
    for epoch in range(epochs):
        ...
    return val_losses
"""
HINT = """
`validate()` may leave the model in eval mode: call `model.train()` in every epoch,
before the batches.
"""
SOLUTION = """
def fit(model, epochs, train_loader, train_step, validate, scheduler):
    val_losses = []
    for epoch in range(epochs):
        model.train()
        for x, y in train_loader:
            train_step(x, y)
        scheduler.step()
        val_losses.append(validate())
    return val_losses
"""
PRAISE = "You have written what chapter 15 calls a Trainer."
MUTANTS = r"""
no train mode: model.train() =>
train mode once:
  model.train() =>
  val_losses = [] => val_losses = []\n    model.train()
scheduler per batch: scheduler.step() =>     scheduler.step()
scheduler first:
  scheduler.step() =>
  model.train() => model.train()\n        scheduler.step()
no scheduler: scheduler.step() =>
validated per batch:
  val_losses. =>     val_losses.
  scheduler.step() =>
one batch: for x, y in train_loader:\n     => x, y = next(iter(train_loader))\n
validated first:
  val_losses.append(validate()) =>
  model.train() => val_losses.append(validate())\n        model.train()
the last loss: return val_losses => return val_losses[-1]
"""


def check(fit: Any) -> None:
    """Note the order of all calls in two epochs of three batches."""
    model, calls = nn.Linear(1, 1), []

    def train_step(x: Tensor, y: Tensor) -> float:
        calls.append(f"train {int(x.item())}" if model.training else "train in eval")
        return 0.0

    def validate() -> float:
        model.eval()
        calls.append("validate")
        return calls.count("validate") / 10

    class Scheduler:
        def step(self) -> None:
            calls.append("scheduler")

    loader = [(torch.tensor([[float(n)]]), torch.zeros(1, 1)) for n in range(3)]
    model.eval()
    answer = fit(model, 2, loader, train_step, validate, Scheduler())
    epoch = ["train 0", "train 1", "train 2", "scheduler", "validate"]
    expect(
        "train in eval" not in calls,
        "A batch was trained on in eval mode: `validate()` leaves the model there.",
    )
    for place, right in enumerate([*2 * epoch, "the end"]):
        got = calls[place] if place < len(calls) else "the end"
        expect(
            got == right,
            f"Two epochs of three batches: after {calls[:place]} is to come "
            f"**{right}**; **{got}** came.",
        )
    expect(
        answer == [0.1, 0.2],
        f"Both validation losses, [0.1, 0.2], are to come back; {answer} did.",
    )
