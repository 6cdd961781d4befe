"""What chapter 2 shows: a line moved by hand, the way down, how long a step may be."""

from dataclasses import dataclass
from functools import cache
from typing import Any

from gradatim.course.curves import over_time, plane
from gradatim.course.loss_bowl import (
    START,
    Descent,
    Scale,
    bowl,
    bowl_axes,
    descend,
    largest_stable_lr,
    rows,
)
from gradatim.pages.charts import Chart, beside
from gradatim.pages.player import MovingChart, player

STATES: dict[str, list[Any]] = {
    "lr": [0.1, 0.01, 0.03, 0.3, 0.5, 0.7, 0.79, 0.82, 0.9],
    "start": [START, (2.3, 3.2), (-0.3, 3.0)],
}

NUM_UPDATES = 40
"""The number of updates that the pictures of a descent show."""
WIDTH = 350
"""The width of a picture in pixels: three of them stand side by side."""


@dataclass(frozen=True)
class ByHand:
    """A line of the learner's, its loss, and the derivatives of the loss by a and b."""

    loss: float
    by_a: float
    by_b: float
    picture: str


def by_hand(a: float, b: float, *, lr: float = 0.1) -> ByHand:
    """Give the loss and the gradient of a line, and draw one step down from there.

    >>> line = by_hand(*START)
    >>> round(line.loss, 4), round(line.by_a, 4), round(line.by_b, 4)
    (2.7422, -3.0448, -1.8338)
    """
    x, y = (column.flatten() for column in rows())
    went = descend(lr=lr, start=(a, b), epochs=1)
    by_a, by_b = ((went.path[0] - went.path[1]) / lr).tolist()
    fit = plane(Chart, "the line", width=WIDTH)
    for at, value in zip(x.tolist(), y.tolist(), strict=True):
        fit.line((at, at), (a + b * at, value), colour="red", width=0.8)
    fit.points(x, y, size=2.4, label="points").line((0, 1), (a, a + b), label="a + b x")
    above = bowl_axes(Chart, title="the loss from above", width=WIDTH)
    above.line(*went.path.T, colour="violet", width=3, label="a step down")
    above.points([a], [b], colour="orange", size=5, label="you")
    return ByHand(went.losses[0], by_a, by_b, beside(fit.svg(), above.svg()))


@cache
def limit_of(scale: Scale = 1.0) -> float:
    """Give the largest stable learning rate for the points in these units of x."""
    return largest_stable_lr(rows(scale=scale)[0])


def first_updates(
    lr: float,
    batch_size: int = 80,
    scale: Scale = 1.0,
    start: tuple[float, float] = START,
) -> Descent:
    """Give the first :data:`NUM_UPDATES` steps of a descent.

    >>> len(first_updates(0.1, 16).losses)
    41
    """
    epochs = -(-NUM_UPDATES * batch_size // 80)
    went = descend(
        lr=lr, batch_size=batch_size, scale=scale, start=start, epochs=epochs
    )
    return Descent(went.path[: NUM_UPDATES + 1], went.losses[: NUM_UPDATES + 1])


def rolling(
    lr: float,
    batch_size: int = 80,
    scale: Scale = 1.0,
    start: tuple[float, float] = START,
) -> str:
    """Draw a descent that moves: from above, its loss, and the limit of the rate.

    >>> rolling(0.1).count("<svg")
    3
    """
    went = first_updates(lr, batch_size, scale, start)
    at_the_end: Any = {"width": WIDTH, "at": NUM_UPDATES}
    a, b = went.path.T.tolist()
    colour = "red" if went.diverged else "blue"
    above = bowl_axes(
        MovingChart, scale=scale, title="the loss from above", **at_the_end
    )
    above.line(a, b, colour=colour, width=1.4, label="an update each")
    above.points(a, b, colour=colour, size=2.2)
    above.moving_dot(a, b, colour=colour)
    loss = MovingChart(
        (0, NUM_UPDATES),
        (1e-3, 100),
        title="the loss of all points",
        x_label="update",
        log_y=True,
        **at_the_end,
    )
    loss.line(range(NUM_UPDATES + 1), went.losses, colour=colour)
    loss.moving_dot(range(NUM_UPDATES + 1), went.losses, colour=colour)
    captions = [
        f"Update {n}: a {a[n]:.3f}, b {b[n]:.3f}, loss {now:.4g}."
        for n, now in enumerate(went.losses)
    ]
    return player(
        beside(above.svg(), loss.svg(), _by_rate(lr, scale, start)),
        NUM_UPDATES + 1,
        steps={"one more step": 1},
        told=captions,
        label="update",
        at=NUM_UPDATES,
        rate=8,
    )


RATES = [10 ** (n / 10) for n in range(-30, 1)]
"""The learning rates of the picture that compares them."""


def _by_rate(lr: float, scale: Scale, start: tuple[float, float]) -> str:
    """Draw the loss after all updates for each learning rate, and the limit."""
    limit = limit_of(scale)
    chart = Chart(
        (1e-3, 1),
        (1e-3, 100),
        title=f"all points, after {NUM_UPDATES} updates",
        x_label="learning rate",
        y_label="loss",
        width=WIDTH,
        log_x=True,
        log_y=True,
    )
    rates = sorted({*RATES, lr, limit})
    ends = [first_updates(rate, 80, scale, start).losses[-1] for rate in rates]
    chart.line(rates, ends, colour="blue", label="end")
    chart.upright(limit, colour="red", label=f"the limit, {limit:.3g}")
    return chart.points([lr], [ends[rates.index(lr)]], size=5, label="yours").svg()


PRESETS = {
    "good: 0.1, all points": (
        (0.1, 80, 1.0),
        "Stable, and never over the bottom. Slow, but it will arrive.",
    ),
    "good: 0.3, all points": (
        (0.3, 80, 1.0),
        "Three times as fast, and still without a zigzag.",
    ),
    "bad: 0.001, all points": (
        (0.001, 80, 1.0),
        "Stable, and so slow that 40 epochs lead nowhere.",
    ),
    "bad: 0.79, all points": (
        (0.79, 80, 1.0),
        "Just below the limit: each step lands on the other side of the valley, nearly "
        "as high. Most of its length is lost.",
    ),
    "bad: 0.1, x in other units": (
        (0.1, 80, 10.0),
        "x is ten times as large, so the bowl is about a hundred times as steep along "
        "b. 0.1 is far beyond the limit now.",
    ),
    "good: 0.1, batches of 16": (
        (0.1, 16, 1.0),
        "Five updates an epoch where all points make one. So it is much farther after "
        "as many epochs, and trembles a little.",
    ),
    "bad: 0.5, one point": (
        (0.5, 1, 1.0),
        "80 updates an epoch, but one point's gradient is a poor guess. With long "
        "steps it jumps about, and never settles.",
    ),
}
"""Choices of learning rate, batch size and units of x, and why each is good or bad."""
NUM_EPOCHS = 40
"""The number of epochs for which a preset is trained."""


def chosen(name: str) -> tuple[str, str]:
    """Draw one of :data:`PRESETS`, and say why it is good or bad, with its numbers."""
    (lr, batch_size, scale), why = PRESETS[name]
    went = descend(lr=lr, batch_size=batch_size, scale=scale, epochs=NUM_EPOCHS)
    colour = "red" if name.startswith("bad") else "green"
    last = went.losses[-10:]
    text = (
        f"{why} In {len(went.losses) - 1:,} updates the loss goes from "
        f"{went.losses[0]:.3g} to {last[-1]:.3g}; in the last ten it is between "
        f"{min(last):.3g} and {max(last):.3g}."
    )
    return _from_above_and_loss(name, colour, went, scale), text


def _from_above_and_loss(name: str, colour: str, went: Descent, scale: Scale) -> str:
    above = bowl((name, colour, went), scale=scale, title="from above")
    curve = name, colour, went.losses
    chart = over_time(curve, y=(1e-3, 1e3), title="the loss", x_label="update")
    return beside(above, chart.svg())


def side_by_side(epochs: int, *, lr: float = 0.1) -> str:
    """Draw the paths of batch, mini-batch and stochastic gradient descent."""
    pictures = []
    for name, size in (("all 80 points", 80), ("batches of 16", 16), ("one point", 1)):
        went = descend(lr=lr, batch_size=size, epochs=epochs)
        count = len(went.path) - 1
        label = f"{count} update{'' if count == 1 else 's'}"
        pictures.append(bowl((label, "blue", went), title=name, width=WIDTH))
    return beside(*pictures)


def too_long(lr: float, *, scale: float = 1.0) -> str:
    """Draw a descent whose steps are too long."""
    went = descend(lr=lr, scale=scale, epochs=20)
    name = f"lr {lr:g}" + (f", x times {scale:g}" if scale != 1 else "")
    return _from_above_and_loss(name, "red", went, scale)
