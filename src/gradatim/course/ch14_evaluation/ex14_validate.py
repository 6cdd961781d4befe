"""The validation loop: mode, no graph, a mean over rows."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from gradatim.course.exercise import expect

TEXT = """
Write `validate(model, loss_fn, loader)`: it returns the mean loss over **all rows**, as
a number. Dropout must rest, no graph may be built, and afterwards the model is in train
mode again. `loss_fn` gives the mean of a batch; the last batch may be shorter.
"""
STUB = """
import torch

def validate(model, loss_fn, loader):
    total, rows = 0.0, 0
    ...
    return total / rows
"""
HINT = """
`model.eval()` before, `model.train()` after the loop, `with torch.no_grad():` around
it. A batch's mean times its rows is its sum.
"""
SOLUTION = """
import torch

def validate(model, loss_fn, loader):
    total, rows = 0.0, 0
    model.eval()
    with torch.no_grad():
        for x, y in loader:
            total += loss_fn(model(x), y).item() * len(x)
            rows += len(x)
    model.train()
    return total / rows
"""
PRAISE = "Eight lines, and three of them are forgotten in half of all programs."
MUTANTS = r"""
eval forgotten: model.eval() =>
train forgotten: model.train() =>
no_grad forgotten: with torch.no_grad(): => if True:
a mean of means:
  * len(x) =>
  rows += len(x) => rows += 1
divided by batches: rows += len(x) => rows += 1
the last batch:
  total += => total =
  rows += len(x) => rows = len(x)
a tensor with a graph:
  .item() =>
  with torch.no_grad(): => if True:
returns in the loop:
  rows += len(x) => rows += len(x); model.train()\n            return total / rows
"""


class _Model(nn.Module):
    """Adds 100 in train mode, and notes whether a graph could be built."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(2.0))
        self.had_graph = False

    def forward(self, x: Tensor) -> Tensor:
        y = self.scale * x + (100 if self.training else 0)
        self.had_graph |= y.requires_grad
        return y


def check(validate: Any) -> None:
    """Validate 10 rows in batches of 4, 4 and 2, with a model that tells."""
    x = torch.arange(10.0).unsqueeze(1)
    y = torch.zeros(10, 1)
    right = float(((2 * x - y) ** 2).mean())
    model = _Model()
    loader = DataLoader(TensorDataset(x, y), batch_size=4)
    answer = validate(model, nn.MSELoss(), loader)
    expect(
        not isinstance(answer, Tensor) or answer.dim() == 0,
        "One number is to come back.",
    )
    value = float(answer.detach() if isinstance(answer, Tensor) else answer)
    expect(value < 9000, "The model was in train mode while it was measured.")
    means = [float(((2 * part) ** 2).mean()) for part in x.split(4)]
    hint = (
        " That is the mean of the three batches' means: the last one has 2 rows only."
        if abs(value - sum(means) / 3) < 1e-3
        else ""
    )
    expect(
        abs(value - right) < 1e-3,
        f"The mean over the rows is {right:.3f}; {value:.3f} came back.{hint}",
    )
    expect(not model.had_graph, "A graph was built: use `torch.no_grad()`.")
    expect(model.training, "Afterwards the model is still in eval mode.")
    expect(isinstance(answer, float), "A Python number is to come back: `.item()`.")
