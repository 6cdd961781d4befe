"""What chapter 11 shows: the train step as a function, its steps, its refusals."""

import math
import warnings
from dataclasses import dataclass
from typing import Any

from torch import nn

import gradatim as gt
from gradatim.course.loss_bowl import Descent, bowl_axes
from gradatim.course.training_paths import (
    as_descent,
    line_of,
    make_parts,
    points,
)
from gradatim.ladder.rung_11_train_step import make_train_step
from gradatim.pages.charts import beside
from gradatim.pages.player import MovingChart, player

STATES: dict[str, list[Any]] = {
    "calls_before": [0, 1, 10, 100, 1000],
    "rows": [3, 1, 16, 80],
}


@dataclass(frozen=True)
class Calls:
    """Some calls of a train step, and what they returned."""

    returned: list[float]
    went: Descent
    """The path of the line: before the first call and after each."""

    @classmethod
    def of(cls, calls: int) -> "Calls":
        """Make a step and call it with all points.

        >>> made = Calls.of(2)
        >>> [round(value, 3) for value in made.went.losses[:2]] == [
        ...     round(value, 3) for value in made.returned
        ... ]
        True
        """
        model, loss_fn, optimizer = make_parts()
        train_step = make_train_step(model, loss_fn, optimizer)
        x, y = points()
        path, returned = [line_of(model)], []
        for _ in range(calls):
            returned.append(train_step(x, y))
            path.append(line_of(model))
        return cls(returned, as_descent(path))


def trace_of(*, calls: int, rows: int) -> Any:
    """Trace the step that follows ``calls`` calls, on the first ``rows`` rows.

    >>> trace_of(calls=0, rows=2).loss > trace_of(calls=100, rows=2).loss
    True
    """
    model, loss_fn, optimizer = make_parts()
    train_step = make_train_step(model, loss_fn, optimizer)
    x, y = points()
    for _ in range(calls):
        train_step(x, y)
    return gt.trace_step(model, loss_fn, optimizer, x[:rows], y[:rows])


_STEP = "train_step = make_train_step(model, loss_fn, optimizer)\n"
FAULTS = {
    "the optimizer of another model": (
        f"optimizer = SGD(other_model.parameters(), lr=0.1)\n{_STEP}train_step(x, y)",
        "make the optimizer last, of this model's parameters. Look whether the line "
        "has moved at all. Or let the step look: the other button.",
    ),
    "targets of shape (80,)": (
        f"{_STEP}train_step(x, y[:, 0])",
        "one shape for predictions and targets, `y.unsqueeze(1)`. The loss falls, and "
        "the line is flat: no number here says that it is wrong.",
    ),
    "one NaN in x": (
        f'x[3] = float("nan")\n{_STEP}train_step(x, y)',
        "look for NaN before the training: `x.isfinite().all()`. One of them makes the "
        "loss NaN, then all parameters, for good.",
    ),
    'reduction="none"': (
        f'loss_fn = nn.MSELoss(reduction="none")\n{_STEP}train_step(x, y)',
        "`mean` or `sum`: backward starts from one number. This one raises by itself, "
        "though the message does not name the loss.",
    ),
}
"""What a train step may be given by mistake: the code, and what to do instead."""


def called(calls: int = 60) -> str:
    """Draw call after call: the path of the line, and what each call returns.

    >>> called(3).count("data-frames") > 6
    True
    """
    made, count = Calls.of(calls), calls + 1
    above = bowl_axes(MovingChart, title="from above")
    above.moving_path(*made.went.path.T.tolist())
    label = "of the line after so many calls"
    chart = MovingChart(
        (0, calls), (5e-3, 2), title="loss", x_label="calls", log_y=True
    )
    chart.line(range(count), made.went.losses, colour="gray", label=label)
    for number, returned in enumerate(made.returned, 1):
        with chart.from_frame(number, count):
            chart.points([number - 1], [returned], colour="blue")
    chart.points([-1], [1], label="returned")
    captions = [f"Before the first call the loss is {made.went.losses[0]:.4f}."]
    captions += [
        f"Call {number} returned {returned:.4f}. After its update the loss is "
        f"{now:.4f}: the next call will return that."
        for number, (returned, now) in enumerate(
            zip(made.returned, made.went.losses[1:], strict=True), 1
        )
    ]
    return player(
        beside(above.svg(), chart.svg()),
        count,
        steps={"one more call": 1, "ten more": 10},
        told=captions,
        label="calls",
        rate=8,
    )


def run_fault(name: str, *, checked: bool, calls: int = 200) -> str:
    """Train with one of :data:`FAULTS`; say where the line went, if nothing raises.

    ``checked`` takes the train step of gradatim, not that of rung 11.

    >>> run_fault("one NaN in x", checked=False)
    'a 0.8300, b 0.7645 before; a nan, b nan after 200 calls; last loss nan'
    """
    model, loss_fn, optimizer = make_parts()
    x, y = points()
    if name == "the optimizer of another model":
        _, _, optimizer = make_parts()
    elif name == "targets of shape (80,)":
        y = y[:, 0]
    elif name == "one NaN in x":
        x = x.clone()
        x[3] = math.nan
    else:
        loss_fn = nn.MSELoss(reduction="none")
    before, loss = line_of(model), math.nan
    make: Any = gt.make_train_step if checked else make_train_step
    train_step = make(model, loss_fn, optimizer)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        for _ in range(calls):
            loss = float(train_step(x, y))
    after = line_of(model)
    return (
        f"a {before[0]:.4f}, b {before[1]:.4f} before; "
        f"a {after[0]:.4f}, b {after[1]:.4f} after {calls} calls; "
        f"last loss {loss:.4f}"
    )
