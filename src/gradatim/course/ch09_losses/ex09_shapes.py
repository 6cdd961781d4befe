"""A loss that pairs each prediction with its own target."""

from typing import Any

import torch

from gradatim.course.exercise import expect

TEXT = """
Targets come in two shapes: sometimes (N, 1), sometimes (N,). Write
`line_loss(predictions, y)`: the mean squared error of predictions of shape (N, 1),
right for both shapes of `y`. It must average N differences, never N * N.
"""
STUB = """
def line_loss(predictions, y):
    ...
    return ((predictions - y) ** 2).mean()
"""
HINT = "`y.reshape(shape)` gives the same numbers in another shape. Which one?"
SOLUTION = """
def line_loss(predictions, y):
    y = y.reshape(predictions.shape)
    return ((predictions - y) ** 2).mean()
"""
PRAISE = (
    "`y.reshape(predictions.shape)` also raises where the numbers of rows differ. A "
    "silent stretch is worse."
)
MUTANTS = """
as it is: y = y.reshape(predictions.shape) =>
a row for a column: y.reshape(predictions.shape) => y.reshape(1, -1)
always one dimension more: y.reshape(predictions.shape) => y.unsqueeze(1)
only the targets flat: y.reshape(predictions.shape) => y.flatten()
the sum: .mean() => .sum()
"""


def check(line_loss: Any) -> None:
    """Try both shapes of the targets."""
    predictions = torch.tensor([[1.0], [2.0], [4.0]])
    y = torch.tensor([1.0, 2.0, 3.0])
    right = 1 / 3
    for shape in ((3, 1), (3,)):
        answer = line_loss(predictions, y.reshape(shape))
        expect(
            isinstance(answer, torch.Tensor) and answer.ndim == 0,
            "The loss is to be a tensor with one number.",
        )
        expect(
            abs(answer.item() - right) < 1e-5,
            f"For predictions 1, 2, 4 and targets 1, 2, 3 of shape {shape} the loss is "
            f"{right:.4f}; yours is {answer.item():.4f}.",
        )
