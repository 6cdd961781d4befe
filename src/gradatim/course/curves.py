"""Charts that several chapters draw: the points of the line, and numbers over time."""

from collections.abc import Sequence
from typing import Any, TypeVar

from gradatim.pages.charts import Chart

__all__ = ["AnyChart", "over_time", "plane"]

AnyChart = TypeVar("AnyChart", bound=Chart)


def plane(
    kind: type[AnyChart],
    title: str,
    y: tuple[float, float] = (-0.5, 3.5),
    **more: Any,
) -> AnyChart:
    """Make a chart over x from 0 to 1, for the tutorial's points and their lines.

    ``kind`` is the class of the chart; ``more`` are arguments of it, such as the width.
    """
    return kind((0, 1), y, title=title, x_label="x", y_label="y", **more)


def over_time(
    *curves: tuple[str, str, Sequence[float]],
    y: tuple[float, float],
    title: str,
    x_label: str = "epoch",
    first: int = 0,
    log_y: bool = True,
    **more: Any,
) -> Chart:
    """Draw numbers, such as losses, over epochs or updates.

    Each curve has a label, a colour and numbers, the first of which is that of epoch or
    update ``first``. ``more`` are arguments of the chart, such as the width.

    >>> chart = over_time(("loss", "blue", [2.0, 1.0, 0.5]), y=(0.1, 10), title="loss")
    >>> chart.x
    (0, 2)
    """
    last = max(first + len(values) - 1 for _, _, values in curves)
    chart = Chart((0, last), y, title=title, x_label=x_label, log_y=log_y, **more)
    for label, colour, values in curves:
        numbers = range(first, first + len(values))
        chart.line(numbers, values, label=label, colour=colour)
    return chart
