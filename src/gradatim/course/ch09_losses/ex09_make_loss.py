"""A function that makes a loss function."""

from typing import Any

import torch

from gradatim.course.exercise import expect

TEXT = """
Write your own `make_mse(reduction)`. It returns a function `loss_fn(predictions, y)`
that gives the `"mean"` or the `"sum"` of the squared differences. Do not use
`nn.MSELoss`.
"""
STUB = """
def make_mse(reduction):
    def loss_fn(predictions, y):
        squares = ...
        return ...

    return loss_fn
"""
HINT = """
The inner function may use `reduction`, though it is an argument of the outer one.
Return the inner function by its name, without brackets.
"""
SOLUTION = """
def make_mse(reduction):
    def loss_fn(predictions, y):
        squares = (predictions - y) ** 2
        return squares.sum() if reduction == "sum" else squares.mean()

    return loss_fn
"""
PRAISE = "The inner function remembers `reduction`. Chapter 11 makes a train step so."
MUTANTS = """
always the mean: sum() if reduction == "sum" else squares. =>
the wrong way round: == "sum" => != "sum"
no square: (predictions - y) ** 2 => (predictions - y).abs()
one number a row: squares.sum() if reduction == "sum" else squares.mean() => squares
nothing returned: return loss_fn =>
called at once: return loss_fn => return loss_fn(0, 0)
detached: squares.mean() => squares.mean().item()
"""


def check(make_mse: Any) -> None:
    """Compare with PyTorch's own, for two sizes."""
    generator = torch.Generator().manual_seed(1)
    for num_rows in (3, 8):
        predictions = torch.rand(num_rows, 1, generator=generator, requires_grad=True)
        y = torch.rand(num_rows, 1, generator=generator) + 1
        for reduction in ("mean", "sum"):
            loss_fn = make_mse(reduction)
            expect(
                callable(loss_fn),
                f"`make_mse({reduction!r})` gave {type(loss_fn).__name__}; a function "
                "is to come back.",
            )
            answer = loss_fn(predictions, y)
            right = torch.nn.functional.mse_loss(predictions, y, reduction=reduction)
            expect(
                isinstance(answer, torch.Tensor) and answer.requires_grad,
                "The loss is to be a tensor with a graph: `backward()` starts there.",
            )
            shape = tuple(answer.shape)
            expect(
                not shape, f"The loss has the shape {shape}; it is to be one number."
            )
            expect(
                torch.allclose(answer, right),
                f"For {num_rows} rows, `{reduction}` is {right.item():.4f}; yours is "
                f"{answer.item():.4f}.",
            )
