"""Models of a line, trained with PyTorch as the tutorial's rungs do: their paths."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gradatim.course.loss_bowl import Descent, descent_of
from gradatim.data import line, line_split
from gradatim.pages.charts import Chart
from gradatim.rng import keeping_rng

__all__ = ["Loss", "fits", "line_of", "points", "seeded", "walk"]

Loss = Callable[[Tensor, Tensor], Tensor]


def points() -> tuple[Float[Tensor, "80 1"], Float[Tensor, "80 1"]]:
    """Give the 80 training points as the rungs have them, in float32."""
    (x, y), _ = line_split(*line())
    return x, y


def seeded(make: Callable[[], nn.Module], seed: int = 42) -> nn.Module:
    """Make a model after ``torch.manual_seed``; the caller's random numbers stay.

    >>> model = seeded(lambda: nn.Sequential(nn.Linear(1, 1)))
    >>> [round(value, 4) for value in line_of(model)]
    [0.83, 0.7645]
    """
    with keeping_rng():
        torch.manual_seed(seed)
        return make()


@torch.no_grad()
def line_of(model: nn.Module) -> tuple[float, float]:
    """Give a and b of a model that is a line: its values at 0 and 1 tell them."""
    at_0, at_1 = model(torch.tensor([[0.0], [1.0]])).double().flatten().tolist()
    return at_0, at_1 - at_0


def walk(
    model: nn.Module,
    loss_fn: Loss,
    x: Tensor,
    y: Tensor,
    *,
    lr: float = 0.1,
    epochs: int = 1000,
) -> Descent:
    """Train a model of a line on all points at once, as rungs 8 to 11 do.

    Args:
        model: Trained in place.
        loss_fn: Of predictions and ``y``.
        x: Of all points.
        y: Of all points, in any shape that the loss takes.
        lr: Of ``SGD``.
        epochs: Updates, as each uses all points.

    Returns:
        a and b before each update and at the end, with the mean squared error there.

    >>> model = seeded(lambda: nn.Sequential(nn.Linear(1, 1)))
    >>> end = walk(model, nn.MSELoss(), *points()).path[-1]
    >>> [round(value, 4) for value in end.tolist()]
    [1.0235, 1.969]
    """
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    path = [line_of(model)]
    for _ in range(epochs):
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        path.append(line_of(model))
    return as_descent(path)


def as_descent(path: Sequence[tuple[float, float]]) -> Descent:
    """Put places together, with the mean squared error of all points at each."""
    x, y = points()
    places = torch.tensor(path, dtype=torch.float64)
    return descent_of(places, x.double(), y.double())


def fits(
    *lines: tuple[str, str, tuple[float, float]],
    title: str,
    shown: Sequence[int] | None = None,
) -> str:
    """Draw the 80 points and lines through them.

    Args:
        lines: Label, colour, and a and b.
        title: Above the picture.
        shown: Rows to draw dark; None for all.
    """
    x, y = points()
    chart = Chart((0, 1), (0, 3.5), title=title, x_label="x", y_label="y")
    if shown is None:
        chart.points(x, y, colour="gray", size=2.5)
    else:
        chart.points(x, y, colour="gray", size=1.5)
        chart.points(x[list(shown)], y[list(shown)], colour="violet", size=3.5)
    for label, colour, (a, b) in lines:
        chart.line([0, 1], [a, a + b], label=label, colour=colour)
    return chart.svg()
