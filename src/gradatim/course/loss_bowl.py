"""The loss of a line over a and b: a bowl, and gradient descent that goes down in it.

The loss is the mean squared error of ``y - (a + b x)``. It is a quadratic function of a
and b, so its contours are ellipses, and its lowest place is solved for, not searched.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from gradatim.course.curves import AnyChart
from gradatim.data import line, line_split
from gradatim.pages.charts import Chart

__all__ = [
    "START",
    "Descent",
    "Scale",
    "bowl",
    "bowl_axes",
    "descend",
    "descent_of",
    "largest_stable_lr",
    "rows",
]

START = (0.49671415, -0.1382643)
"""The a and b of rung 1: ``np.random.seed(42)``, then ``randn(1)`` two times."""

Scale = float | Literal["standard"]
"""A factor of x; ``standard`` subtracts the mean of x and divides by its deviation."""


def rows(*, scale: Scale = 1.0) -> tuple[Float[Tensor, "80 1"], Float[Tensor, "80 1"]]:
    """Give the 80 training points in float64, with x in the units of ``scale``."""
    (x, y), _ = line_split(*line(dtype=torch.float64))
    if scale == "standard":
        return (x - x.mean()) / x.std(), y
    return scale * x, y


def _design(x: Tensor) -> Float[Tensor, "rows 2"]:
    return torch.cat([torch.ones_like(x), x], dim=1)


def least_squares(x: Tensor, y: Tensor) -> Float[Tensor, "2"]:
    """Give the a and b of the lowest loss: the bottom of the bowl."""
    return torch.linalg.lstsq(_design(x), y).solution.flatten()


def curvature(x: Tensor) -> Float[Tensor, "2 2"]:
    """Give the matrix of second derivatives of the loss; it is the same everywhere."""
    design = _design(x)
    return 2 * design.T @ design / len(x)


def largest_stable_lr(x: Tensor) -> float:
    """Give the learning rate beyond which gradient descent diverges.

    It is 2 over the largest eigenvalue of the second derivatives: above it, each step
    lands farther from the bottom than it started.
    Source: Goodfellow, Bengio, Courville, Deep Learning, section 8.2.1.

    >>> round(largest_stable_lr(rows()[0]), 3)
    0.806
    """
    return 2 / float(torch.linalg.eigvalsh(curvature(x)).max())


@dataclass(frozen=True)
class Descent:
    """The path of a gradient descent."""

    path: Float[Tensor, "steps 2"]
    """a and b, before the first update and after each."""
    losses: list[float]
    """The mean squared error of all points, at each place of the path."""

    @property
    def diverged(self) -> bool:
        """Whether the last loss is not finite, or more than twice the first one."""
        first, last = self.losses[0], self.losses[-1]
        return not math.isfinite(last) or last > 2 * first


def descend(
    *,
    lr: float = 0.1,
    batch_size: int = 80,
    epochs: int = 100,
    start: tuple[float, float] = START,
    scale: Scale = 1.0,
    seed: int = 0,
) -> Descent:
    """Go down from ``start`` by batch, mini-batch or stochastic gradient descent.

    A ``batch_size`` of 80 is that of all points. ``seed`` is that of their order.

    >>> end = descend(epochs=1000).path[-1]
    >>> [round(value, 6) for value in end.tolist()]
    [1.023541, 1.968964]
    """
    x, y = rows(scale=scale)
    generator = torch.Generator().manual_seed(seed)
    design, place = _design(x), torch.tensor(start, dtype=torch.float64)
    path = [place]
    for _ in range(epochs):
        order = torch.randperm(len(x), generator=generator)
        for batch in order.split(batch_size):
            error = design[batch] @ place - y[batch].flatten()
            place = place - lr * 2 * design[batch].T @ error / len(batch)
            path.append(place)
    return descent_of(torch.stack(path), x, y)


def descent_of(places: Tensor, x: Tensor, y: Tensor) -> Descent:
    """Add to each place, a and b, the mean squared error of all points there."""
    losses = ((places @ _design(x).T - y.flatten()) ** 2).mean(dim=1)
    return Descent(places, losses.tolist())


MAX_UPDATES = 400
"""So many updates of a descent are drawn; chosen by hand, not measured."""
MAX_DOTS = 60
"""So many places of a descent have a dot; chosen by hand, not measured."""


def bowl(
    *descents: tuple[str, str, Descent],
    title: str = "the loss over a and b",
    **more: Any,
) -> str:
    """Draw the loss from above, its contours and paths down.

    Each descent has a label and a colour. ``more`` are arguments of :func:`bowl_axes`.
    """
    chart = bowl_axes(Chart, title=title, **more)
    for label, colour, descent in descents:
        path = descent.path[: MAX_UPDATES + 1]
        chart.line(*path.T, label=label, colour=colour, width=1.4)
        chart.points(*path[:MAX_DOTS].T, colour=colour, size=2.2)
    return chart.svg()


def bowl_axes(
    kind: type[AnyChart],
    *,
    scale: Scale = 1.0,
    a: tuple[float, float] = (-0.5, 2.5),
    b: tuple[float, float] = (-0.5, 3.5),
    **more: Any,
) -> AnyChart:
    """Make a chart over a and b, with rings of equal loss and its lowest place.

    ``kind`` is the class of the chart; ``more`` are arguments of it, such as the title.
    """
    chart = kind(a, b, x_label="a", y_label="b", **more)
    x, y = rows(scale=scale)
    best = least_squares(x, y)
    values, vectors = torch.linalg.eigh(curvature(x))
    turns = torch.linspace(0, 2 * math.pi, 49, dtype=torch.float64)
    circle = torch.stack([turns.cos(), turns.sin()])
    for height in (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0):
        axes = vectors @ torch.diag((2 * height / values).sqrt())
        ring = best.unsqueeze(1) + axes @ circle
        chart.line(ring[0], ring[1], colour="gray", width=0.8)
    chart.star(float(best[0]), float(best[1]), label="lowest loss")
    return chart
