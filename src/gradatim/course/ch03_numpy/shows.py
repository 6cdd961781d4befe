"""What chapter 3 shows: rung 1 by hand in NumPy, epoch by epoch, and rung 2's check."""

import math
from functools import cache
from typing import Any

import numpy as np

from gradatim.course.curves import over_time, plane
from gradatim.course.loss_bowl import rows
from gradatim.pages.charts import Chart, beside
from gradatim.pages.player import MovingChart, player, told_frames

STATES: dict[str, list[Any]] = {"lr": [0.1, 0.01, 0.03, 0.3, 0.7]}

Array = np.ndarray
WIDTH = 390
"""The width of a picture in pixels: two of them stand side by side."""
Seen = list[tuple[float, float, float]]
"""For each epoch: a and b before its update, and their loss."""


def points() -> tuple[Array, Array]:
    """Give the 80 training points as NumPy arrays."""
    x, y = rows()
    return x.numpy(), y.numpy()


def start() -> tuple[float, float]:
    """Give the a and b with which rung 1 begins.

    >>> a, b = start()
    >>> f"{a:.8f} {b:.8f}"
    '0.49671415 -0.13826430'
    """
    random = np.random.RandomState(42)
    a, b = random.randn(1), random.randn(1)
    return a.item(), b.item()


def train(
    x: Array, y: Array, a: float, b: float, lr: float, epochs: int
) -> tuple[float, float, Seen]:
    """Train a and b by hand.

    >>> a, b, _ = train(*points(), *start(), lr=0.1, epochs=1000)
    >>> f"{a:.8f} {b:.8f}"
    '1.02354094 1.96896411'
    """
    seen = []
    for _ in range(epochs):
        # Step 1: the loss.
        error = y - (a + b * x)
        loss = (error**2).mean()
        seen.append((a, b, loss))
        # Step 2: the gradients.
        a_grad = -2 * error.mean()
        b_grad = -2 * (x * error).mean()
        # Step 3: the update.
        a = a - lr * a_grad
        b = b - lr * b_grad
        # Step 4: again, with the new a and b.
    return a, b, seen


@cache
def trained(lr: float = 0.1, epochs: int = 1000) -> Seen:
    """Give every epoch of a training, and its end as one more epoch.

    >>> len(trained(epochs=3))
    4
    """
    _, _, seen = train(*points(), *start(), lr=lr, epochs=epochs + 1)
    return seen


def least_squares(x: Array, y: Array) -> tuple[float, float]:
    """Solve for a and b, without training.

    >>> a, b = least_squares(*points())
    >>> f"{a:.8f} {b:.8f}"
    '1.02354075 1.96896447'
    """
    columns = np.hstack([np.ones_like(x), x])
    (a, b), *_ = np.linalg.lstsq(columns, y[:, 0], rcond=None)
    return a.item(), b.item()


def least_squares_wrong() -> tuple[float, float]:
    """Solve without the column of ones: the line must go through 0.

    >>> least_squares_wrong()[0]
    0.0
    """
    x, y = points()
    (b,), *_ = np.linalg.lstsq(x, y[:, 0], rcond=None)
    return 0.0, b.item()


def decimals(one: float, other: float) -> int:
    """Give the number of decimals to which two numbers are the same when rounded.

    >>> decimals(1.02354094, 1.02354075)
    6
    """
    return next((n - 1 for n in range(17) if round(one, n) != round(other, n)), 16)


def first_near(share: float = 0.01) -> int:
    """Give the first epoch whose loss exceeds the lowest one by less than ``share``."""
    a, b = least_squares(*points())
    lowest = _loss(a, b)
    return next(n for n, s in enumerate(trained()) if s[2] < (1 + share) * lowest)


def _loss(a: float, b: float) -> float:
    x, y = points()
    return float(((y - (a + b * x)) ** 2).mean())


NUM_PLAYED = 300
"""The number of epochs in the moving picture; chosen by hand, not measured."""


def played() -> str:
    """Draw the first epochs as a picture that moves: the line, its errors, the loss.

    >>> played().count("data-foot")
    80
    """
    x, y = (column[:, 0].tolist() for column in points())
    seen = trained()[: NUM_PLAYED + 1]
    places, losses = [s[:2] for s in seen], [s[2] for s in seen]
    epochs = range(NUM_PLAYED + 1)
    fit = plane(MovingChart, "the line", width=WIDTH)
    fit.residuals(x, y, places[0]).points(x, y, label="points", size=2.5)
    fit.moving_line(places, label="a + b x")
    chart = MovingChart(
        (0, NUM_PLAYED),
        (5e-3, 5),
        title="the loss",
        x_label="epoch",
        width=WIDTH,
        log_y=True,
    )
    lowest = _loss(*least_squares(*points()))
    chart.across(lowest, label="lowest that a line can have")
    chart.growing_line(epochs, losses, epochs).moving_dot(epochs, losses)
    captions = [
        f"Epoch {n}: a {a:.4f}, b {b:.4f}, loss {loss:.6f}."
        for n, (a, b, loss) in enumerate(seen)
    ]
    return player(
        beside(fit.svg(), chart.svg()) + _arithmetic(seen),
        NUM_PLAYED + 1,
        steps={"one more epoch": 1, "ten more": 10},
        told=captions,
        label="epoch",
        rate=15,
    )


def _arithmetic(seen: Seen, lr: float = 0.1) -> str:
    """Write the four steps of the epoch that comes next, with their numbers."""
    lines = zip(*(arithmetic(a, b, lr) for a, b, _ in seen), strict=True)
    names = ["1 loss", "2 gradients", "3 update of a", "3 update of b"]
    rows = "".join(
        f"<tr><td>{name}</td><td>{told_frames(line)}</td></tr>"
        for name, line in zip(names, lines, strict=True)
    )
    head = "<tr><th>step</th><th>of the next epoch</th></tr>"
    last = "<tr><td>4 again</td><td>from the new a and b</td></tr>"
    return f'<table class="arithmetic">{head}{rows}{last}</table>'


def arithmetic(a: float, b: float, lr: float = 0.1) -> list[str]:
    """Write the loss, the gradients and both updates of an epoch with their numbers.

    >>> arithmetic(*start())[2]
    'a = 0.4967 - 0.1 * (-3.0448) = 0.8012'
    """
    x, y = points()
    error = y - (a + b * x)
    by_a, by_b = -2 * error.mean(), -2 * (x * error).mean()
    return [
        f"mean of {len(x)} squared errors = {(error**2).mean():.6f}",
        f"by a {by_a:.4f}, by b {by_b:.4f}",
        f"a = {a:.4f} - {lr:g} * ({by_a:.4f}) = {a - lr * by_a:.4f}",
        f"b = {b:.4f} - {lr:g} * ({by_b:.4f}) = {b - lr * by_b:.4f}",
    ]


def line_picture(a: float, b: float, *, title: str, colour: str = "orange") -> str:
    """Draw a line, with the error of each point."""
    x, y = (column[:, 0].tolist() for column in points())
    label = f"{a:.3f} {'-' if b < 0 else '+'} {abs(b):.3f} x"
    chart = plane(Chart, title, width=WIDTH)
    chart.line([0], [0], label="residuals", colour="red", width=1)
    for at, value in zip(x, y, strict=True):
        chart.line([at, at], [value, a + b * at], colour="red", width=0.8)
    chart.points(x, y, label="points", size=2.5)
    return chart.line([0, 1], [a, a + b], label=label, colour=colour).svg()


def distances(lr: float) -> str:
    """Draw how far a and b are from least squares, epoch by epoch."""
    seen, best = trained(lr), least_squares(*points())
    curves = []
    for place, (name, colour) in enumerate((("a", "blue"), ("b", "orange"))):
        apart = [abs(s[place] - best[place]) for s in seen]
        # Below 1e-8 nothing is drawn: float64 has not many digits left there.
        kept = [value if value > 1e-8 else math.nan for value in apart]
        curves.append((name, colour, kept))
    title = f"distance from least squares, lr {lr:g}"
    chart = over_time(*curves, y=(1e-8, 10), title=title)
    return chart.across(1e-6, label="6 decimals").svg()


FAULTS = {
    "sign": "a = a + lr * a_grad",
    "stale": "error = y - (a + b * x)   # before the loop",
    "same": "b_grad = -2 * error.mean()   # x forgotten",
}
"""Faults that a program by hand easily has, as lines. None raises an exception."""


def _train_wrong(fault: str, epochs: int) -> Seen:
    """Train with one of :data:`FAULTS`."""
    x, y = points()
    a, b = start()
    error, seen, lr = y - (a + b * x), [], 0.1
    for _ in range(epochs + 1):
        seen.append((a, b, _loss(a, b)))
        if fault != "stale":
            error = y - (a + b * x)
        by_a = -2 * error.mean()
        by_b = by_a if fault == "same" else -2 * (x * error).mean()
        sign = 1 if fault == "sign" else -1
        a, b = a + sign * lr * by_a, b + sign * lr * by_b
    return seen


def fault_pictures(fault: str, epochs: int = 100) -> list[str]:
    """Draw the loss of a program with one of :data:`FAULTS`, and a line that is near.

    >>> len(fault_pictures("sign")), len(fault_pictures("same"))
    (1, 2)
    """
    seen, right = _train_wrong(fault, epochs), trained()[: epochs + 1]
    losses = [s[2] for s in seen]
    most = 10.0 ** min(9, math.ceil(math.log10(max(losses)) + 0.01))
    chart = over_time(
        ("right", "green", [s[2] for s in right]),
        (FAULTS[fault], "red", losses),
        y=(5e-3, most),
        title="loss",
        width=WIDTH,
    )
    a, b, _ = seen[-1]
    near = line_picture(a, b, title=f"the line after {epochs} epochs")
    return [chart.svg(), near] if abs(a) < 5 else [chart.svg()]


def integer_start() -> float:
    """Start with integers and update them in place, which raises."""
    x, y = points()
    a, b = np.array([0]), np.array([0])
    error = y - (a + b * x)
    a -= 0.1 * -2 * error.mean()
    return a.item()
