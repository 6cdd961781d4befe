"""What chapter 9 shows: a mean and a sum, and targets that broadcast."""

import warnings
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gradatim import make_train_step
from gradatim.course.curves import over_time
from gradatim.course.loss_bowl import Descent
from gradatim.course.training_paths import (
    line_of,
    make_parts,
    points,
    seeded,
    train_line,
)
from gradatim.ladder.rung_09_model import ManualLine
from gradatim.pages.boxes import Cell, cells

STATES: dict[str, list[Any]] = {
    "by_sum": [False, True],
    "lr": [0.1, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.7],
    "flat": [True, False],
}


def first_loss(reduction: str) -> float:
    """Give the loss of the starting line."""
    x, y = points()
    return nn.MSELoss(reduction=reduction)(seeded(ManualLine)(x), y).item()


def first_gradient(reduction: str) -> float:
    """Give the derivative of the first loss by a."""
    x, y = points()
    model = seeded(ManualLine)
    nn.MSELoss(reduction=reduction)(model(x), y).backward()
    grad = next(model.parameters()).grad
    assert grad is not None
    return grad.item()


def with_reduction(reduction: str, *, lr: float, epochs: int) -> Descent:
    """Train the line of rung 8 with the mean or with the sum as its loss.

    >>> ends = [
    ...     with_reduction("mean", lr=0.1, epochs=50).path[-1].tolist(),
    ...     with_reduction("sum", lr=0.1 / 80, epochs=50).path[-1].tolist(),
    ... ]
    >>> [[round(value, 4) for value in end] for end in ends]
    [[1.3054, 1.4174], [1.3054, 1.4174]]
    """
    x, y = points()
    loss_fn = nn.MSELoss(reduction=reduction)
    return train_line(seeded(ManualLine), loss_fn, x, y, lr=lr, epochs=epochs)


def sum_diverges(epochs: int = 20) -> str:
    """Draw the losses of a mean and of a sum with one learning rate, 0.1."""
    curves = [
        (reduction, colour, with_reduction(reduction, lr=0.1, epochs=epochs).losses)
        for reduction, colour in (("mean", "green"), ("sum", "red"))
    ]
    return over_time(*curves, y=(1e-2, 1e9), title="mean squared error").svg()


def pairs(num_rows: int, *, as_column: bool) -> str:
    """Draw which predictions are compared with which targets, and their squared errors.

    ``as_column`` gives the targets the shape (N, 1), which the predictions have.
    """
    squares = _squares(num_rows)
    rows: list[tuple[str, list[Cell]]] = []
    for i in range(num_rows):
        boxes = [(f"{square:.2f}", "red") for square in squares[i].tolist()]
        if as_column:
            boxes = [("", "")] * num_rows
        boxes[i] = f"{squares[i, i]:.2f}", "blue"
        rows.append((f"row {i}", boxes))
    legend = [("its own target", "blue"), ("another row's target", "red")]
    return cells(
        rows,
        title="squared errors of the first line: a row for each prediction",
        legend=legend[:1] if as_column else legend,
        width=48,
        left=56,
    )


def mean_of_pairs(num_rows: int, *, as_column: bool) -> float:
    """Give the mean of the boxes of :func:`pairs`."""
    squares = _squares(num_rows)
    return float(squares.diagonal().mean() if as_column else squares.mean())


def _squares(num_rows: int) -> Float[Tensor, "rows rows"]:
    x, y = points()
    with torch.no_grad():
        predictions = seeded(ManualLine)(x[:num_rows])
    return (predictions - y[:num_rows, 0]) ** 2


def broadcast_line(epochs: int = 1000) -> tuple[float, float]:
    """Train with targets of the shape (80,), without PyTorch's warning.

    >>> [round(value, 3) for value in broadcast_line()]
    [1.954, 0.0]
    """
    x, y = points()
    model = seeded(ManualLine)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        train_line(model, nn.MSELoss(), x, y[:, 0], epochs=epochs)
    return line_of(model)


def warned() -> str:
    """Give PyTorch's warning about targets of another shape."""
    x, y = points()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        nn.MSELoss()(seeded(ManualLine)(x), y[:, 0])
    return "\n".join(f"{w.category.__name__}: {w.message}" for w in caught)


def refused() -> Tensor:
    """Give the same targets to gradatim's step, which raises."""
    x, y = points()
    return make_train_step(*make_parts())(x, y[:, 0])
