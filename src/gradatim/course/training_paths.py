"""Models of a line, trained as the tutorial trains them, and the paths they take."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gradatim.course.curves import plane
from gradatim.course.loss_bowl import Descent, descent_of
from gradatim.data import line, line_split
from gradatim.ladder.rung_11_train_step import make_train_step
from gradatim.pages.charts import Chart
from gradatim.rng import keeping_rng

__all__ = [
    "as_descent",
    "fits",
    "line_of",
    "make_parts",
    "new_line",
    "points",
    "random_from",
    "seeded",
    "start",
    "train_line",
    "trained_path",
]


def points() -> tuple[Float[Tensor, "80 1"], Float[Tensor, "80 1"]]:
    """Give the 80 training points in float32, as the rungs of the ladder have them."""
    (x, y), _ = line_split(*line())
    return x, y


@contextlib.contextmanager
def random_from(seed: int) -> Iterator[None]:
    """Draw random numbers from a seed in the block; the caller's own ones stay."""
    with keeping_rng():
        torch.manual_seed(seed)
        yield


def start() -> tuple[Tensor, Tensor]:
    """Make a and b as rungs 4 to 8 do, after ``torch.manual_seed(42)``.

    >>> [round(value.item(), 4) for value in start()]
    [0.3367, 0.1288]
    """
    with random_from(42):
        a = torch.randn(1, requires_grad=True)
        b = torch.randn(1, requires_grad=True)
    return a, b


def seeded(make: Callable[[], nn.Module], seed: int = 42) -> nn.Module:
    """Make a model after ``torch.manual_seed``; the caller's random numbers stay.

    >>> model = seeded(lambda: nn.Sequential(nn.Linear(1, 1)))
    >>> [round(value, 4) for value in line_of(model)]
    [0.83, 0.7645]
    """
    with random_from(seed):
        return make()


def new_line() -> nn.Module:
    """Make the tutorial's model of one layer, after ``torch.manual_seed(42)``."""
    return seeded(lambda: nn.Sequential(nn.Linear(1, 1)))


def make_parts(
    lr: float = 0.1,
) -> tuple[nn.Module, nn.Module, torch.optim.Optimizer]:
    """Make what a train step is made of: the model of rung 10, its loss, and SGD."""
    model = new_line()
    return model, nn.MSELoss(), torch.optim.SGD(model.parameters(), lr=lr)


@torch.no_grad()
def line_of(model: nn.Module) -> tuple[float, float]:
    """Give a and b of a model that is a line, from its values at 0 and 1."""
    at_0, at_1 = model(torch.tensor([[0.0], [1.0]])).double().flatten().tolist()
    return at_0, at_1 - at_0


def trained_path(
    model: nn.Module,
    train_step: Callable[[Tensor, Tensor], Any],
    batches: Iterable[Any],
    *,
    epochs: int,
) -> list[tuple[float, float]]:
    """Train a model of a line; give a and b before the first update and after each.

    ``train_step``, which updates the model, is called with each of the batches of an
    epoch, and the batches are gone through anew in each epoch.
    """
    path = [line_of(model)]
    for _ in range(epochs):
        for x, y in batches:
            train_step(x, y)
            path.append(line_of(model))
    return path


def train_line(
    model: nn.Module,
    loss_fn: Callable[[Tensor, Tensor], Tensor],
    x: Tensor,
    y: Tensor,
    *,
    lr: float = 0.1,
    epochs: int = 1000,
) -> Descent:
    """Train a model of a line with SGD, on all points at once, as rungs 8 to 11 do.

    The model is trained in place. ``y`` may have any shape that the loss accepts.

    >>> end = train_line(new_line(), nn.MSELoss(), *points()).path[-1]
    >>> [round(value, 4) for value in end.tolist()]
    [1.0235, 1.969]
    """
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    train_step = make_train_step(model, loss_fn, optimizer)
    return as_descent(trained_path(model, train_step, [(x, y)], epochs=epochs))


def as_descent(path: Sequence[tuple[float, float]]) -> Descent:
    """Add to each place of a path the mean squared error of all points there."""
    x, y = points()
    places = torch.tensor(path, dtype=torch.float64)
    return descent_of(places, x.double(), y.double())


def fits(
    *lines: tuple[str, str, tuple[float, float]],
    title: str,
    shown: Sequence[int] | None = None,
) -> str:
    """Draw the 80 points, and lines with a label, a colour, and a and b each.

    If ``shown`` names rows, their points are drawn dark.
    """
    x, y = points()
    chart = plane(Chart, title, (0, 3.5))
    chart.points(x, y, colour="gray", size=2.5 if shown is None else 1.5)
    if shown is not None:
        chart.points(x[list(shown)], y[list(shown)], colour="violet", size=3.5)
    for label, colour, (a, b) in lines:
        chart.line([0, 1], [a, a + b], label=label, colour=colour)
    return chart.svg()
