"""One epoch: each batch to the device, one update each."""

from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from gradatim.course.exercise import expect

TEXT = """
Write `train_epoch(loader, train_step, device)`: it goes through all batches once,
sends x and y of each to the device, calls `train_step(x, y)`, and returns the mean of
the losses that came back.
"""
STUB = """
def train_epoch(loader, train_step, device):
    losses = []
    ...
    return sum(losses) / len(losses)
"""
HINT = "`for x, y in loader:`. `x.to(device)` gives a new tensor; it does not change x."
SOLUTION = """
def train_epoch(loader, train_step, device):
    losses = []
    for x, y in loader:
        x, y = x.to(device), y.to(device)
        losses.append(train_step(x, y))
    return sum(losses) / len(losses)
"""
PRAISE = "At any time there is one batch on the device, and the data set stays at home."
MUTANTS = r"""
only first batches: x, y in loader: => _ in loader:\n        x, y = next(iter(loader))
one batch: for x, y in loader: => for x, y in [next(iter(loader))]:
not sent: x, y = x.to(device), y.to(device) =>
sent, and not kept: x, y = x.to(device), y.to(device) => x.to(device)
y stays: x, y = x.to(device), y.to(device) => x = x.to(device)
returns in the loop: return sum =>     return sum
the last loss: sum(losses) / len(losses) => losses[-1]
the sum: sum(losses) / len(losses) => sum(losses)
two updates a batch: losses. => train_step(x, y); losses.
"""


def check(train_epoch: Any) -> None:
    """Count calls, and look where the batches are: the device is ``meta``."""
    rows = torch.arange(10.0).unsqueeze(1)
    for device in ("cpu", "meta"):
        seen: list[tuple[Tensor, Tensor]] = []

        def train_step(x: Tensor, y: Tensor, seen: Any = seen) -> float:
            seen.append((x, y))
            return float(len(seen))

        loader = DataLoader(TensorDataset(rows, 2 * rows), batch_size=4)
        answer = train_epoch(loader, train_step, torch.device(device))
        for x, y in seen:
            for name, part in (("x", x), ("y", y)):
                expect(
                    part.device.type == device,
                    f"The device is {device}; {name} of a batch came to "
                    f"`train_step` on {part.device}.",
                )
        sizes = [len(x) for x, _ in seen]
        expect(
            sizes == [4, 4, 2],
            f"`train_step` is to see batches of 4, 4, 2 rows; it saw {sizes}.",
        )
        expect(
            device != "cpu" or torch.equal(torch.cat([x for x, _ in seen]), rows),
            "`train_step` did not see each row once: is it always the first batch?",
        )
        expect(
            isinstance(answer, float) and abs(answer - 2) < 1e-9,
            f"The losses were 1, 2, 3, so 2 is to come back; {answer} did.",
        )
