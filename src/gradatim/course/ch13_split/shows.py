"""What chapter 13 shows: splits, learners by heart, peeking, scaling too early."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset, random_split

import gradatim as gt
from gradatim.course.doctor_says import written
from gradatim.course.loss_bowl import least_squares
from gradatim.course.training_paths import line_of, seeded
from gradatim.data import Batches, line
from gradatim.doctor.finding import Finding
from gradatim.ladder.rung_11_train_step import make_train_step
from gradatim.pages.boxes import cells
from gradatim.pages.charts import Chart, bars, framed
from gradatim.rng import keeping_rng
from gradatim.threads import threads

STATES: dict[str, list[Any]] = {
    "neighbours": [1, 2, 3, 5, 8, 12, 20, 40, 80],
    "tried": [10, 1, 100, 1000],
}
"""Controls that move on a frozen page, with their values; it opens with the first."""

NUM_PEEKS = 1000
"""Models that a peeker may try."""


@dataclass(frozen=True)
class Split:
    """Row numbers of two parts."""

    train: list[int]
    val: list[int]

    def grid(self, *, title: str = "which rows validate") -> str:
        """Draw all rows, each in its part's colour."""
        val, total = set(self.val), len(self.train) + len(self.val)
        lines = [
            (
                f"{first}-",
                [
                    (str(row), "orange" if row in val else "blue")
                    for row in range(first, min(first + 10, total))
                ],
            )
            for first in range(0, total, 10)
        ]
        legend = [
            (f"train: {len(self.train)}", "blue"),
            (f"validate: {len(self.val)}", "orange"),
        ]
        return cells(lines, title=title, legend=legend, width=36, height=22, left=40)

    def picture(self, *, title: str = "the same rows as points") -> str:
        """Draw the points of both parts, and the best line of the training part."""
        x, y = line()
        a, b = self.best()
        chart = Chart((0, 1), (0, 3.6), title=title, x_label="x", y_label="y")
        chart.points(x[self.train], y[self.train], colour="blue", label="train")
        chart.points(x[self.val], y[self.val], colour="orange", label="validate")
        return chart.line([0, 1], [a, a + b], colour="gray", label="best line").svg()

    def best(self) -> tuple[float, float]:
        """Give a and b of the training part's least squares."""
        x, y = (part[self.train].double() for part in line())
        a, b = least_squares(x, y).tolist()
        return a, b

    def losses(self) -> tuple[float, float]:
        """Give that line's mean squared error on the training and the other part."""
        x, y = (part.double() for part in line())
        a, b = self.best()
        squares = (y - (a + b * x)) ** 2
        return float(squares[self.train].mean()), float(squares[self.val].mean())


def split_rows(seed: int = 42, val: int = 20) -> Split:
    """Split the 100 points as rung 12 does.

    Args:
        seed: Of ``torch.manual_seed`` before the split.
        val: Rows that validate.

    >>> found = split_rows()
    >>> len(found.train), len(found.val), len({*found.train, *found.val})
    (80, 20, 100)
    """
    with keeping_rng():
        torch.manual_seed(seed)
        train_set, val_set = random_split(TensorDataset(*line()), [100 - val, val])
    return Split(list(train_set.indices), list(val_set.indices))


@lru_cache(maxsize=32)
@threads(1)
def trained(seed: int = 42, val: int = 20, *, epochs: int = 200) -> tuple[float, float]:
    """Train a line on a split's training rows, 16 at a time.

    >>> a, b = trained()
    >>> best_a, best_b = split_rows().best()
    >>> abs(a - best_a) < 0.01 and abs(b - best_b) < 0.01
    True
    """
    x, y = (part[split_rows(seed, val).train] for part in line())
    model = seeded(lambda: nn.Sequential(nn.Linear(1, 1)))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    train_step = make_train_step(model, nn.MSELoss(), optimizer)
    batches = Batches((x, y), batch_size=16, seed=seed)
    for _ in range(epochs):
        for batch_x, batch_y in batches:
            train_step(batch_x, batch_y)
    return line_of(model)


def split_sorted(val: int = 20) -> Split:
    """Split points that are sorted by x, the last ones to validate."""
    order = line()[0].flatten().argsort().tolist()
    return Split(order[: 100 - val], order[100 - val :])


def coins(rows: int, seed: int, *, columns: int = 6) -> tuple[Tensor, Tensor]:
    """Make rows whose class nothing can tell: numbers at random, a coin for each."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, columns, generator=generator)
    return x, torch.randint(2, (rows,), generator=generator)


def by_heart(neighbours: int, split: Split) -> tuple[Tensor, Tensor, Tensor]:
    """Predict y of each row by the mean of its nearest training rows.

    Returns:
        Predictions at 201 places from 0 to 1, and at the rows of both parts.

    >>> split = split_rows()
    >>> _, train, _ = by_heart(1, split)
    >>> bool((train == line()[1][split.train]).all())
    True
    """
    x, y = line()
    known, told = x[split.train], y[split.train]

    def answer(at: Tensor) -> Tensor:
        near = (at - known.T).abs().argsort(dim=1)[:, :neighbours]
        return told.flatten()[near].mean(dim=1, keepdim=True)

    places = torch.linspace(0, 1, 201).unsqueeze(1)
    return answer(places), answer(x[split.train]), answer(x[split.val])


def errors_by_heart(neighbours: int, split: Split) -> tuple[float, float]:
    """Give the mean squared error on the training rows and on the others."""
    _, y = line()
    _, train, val = by_heart(neighbours, split)
    return (
        float(((train - y[split.train]) ** 2).mean()),
        float(((val - y[split.val]) ** 2).mean()),
    )


def by_heart_picture(neighbours: int, split: Split) -> str:
    """Draw what the mean of the nearest training rows predicts."""
    x, y = line()
    told, _, _ = by_heart(neighbours, split)
    rows = "row" if neighbours == 1 else "rows"
    chart = Chart(
        (0, 1),
        (0, 3.6),
        title=f"the mean of the {neighbours} nearest {rows}",
        x_label="x",
        y_label="y",
    )
    chart.points(x[split.train], y[split.train], colour="blue", label="train", size=2.5)
    chart.points(x[split.val], y[split.val], colour="orange", label="validate")
    places = torch.linspace(0, 1, 201)
    return chart.line(places, told, colour="green", label="predicted").svg()


def by_size(split: Split, chosen: int) -> str:
    """Draw both errors over the number of neighbours."""
    sizes = [1, 2, 3, 5, 8, 12, 20, 30, 40, 60, 80]
    both = [errors_by_heart(size, split) for size in sizes]
    chart = Chart(
        (1, 80),
        (1e-3, 1),
        title="the mean squared error",
        x_label="nearest rows",
        log_y=True,
    )
    shown = [max(train, 1e-3) for train, _ in both]
    chart.line(sizes, shown, colour="blue", label="train", dots=True)
    chart.line(
        sizes, [v for _, v in both], colour="orange", label="validate", dots=True
    )
    return chart.upright(chosen).svg()


def three_parts(total: int, val: int, test: int) -> str:
    """Draw how many rows train, choose and score, as one bar."""
    parts, left = [], 0.0
    for name, what, count, colour in (
        ("train", "learned from", total - val - test, "#3b82f6"),
        ("validate", "chosen by", val, "#ea7317"),
        ("test", "scored once", test, "#2f9e44"),
    ):
        wide = 440 * count / total
        parts.append(
            f'<rect x="{left:.1f}" y="26" width="{max(wide - 2, 1):.1f}" height="26" '
            f'rx="3" fill="{colour}" fill-opacity=".6" stroke="{colour}"/>'
        )
        row = 70 + 10 * (len(parts) - 1)
        parts.append(
            f'<g><rect x="0" y="{row}" width="12" height="12" rx="2" fill="{colour}"/>'
            f'<text x="20" y="{row + 11}">{name}: {count} rows, {what}</text></g>'
        )
        left += wide
    title = f"{total} rows in three parts"
    return framed("".join(parts), 440, 136, title)


@dataclass(frozen=True)
class Peeked:
    """What the best of some models seemed to be, and what it is."""

    scores: list[float]
    """Of each model, on the test rows."""
    best: float
    """The highest of them."""
    fresh: float
    """Of that very model, on 2,000 rows that nobody has seen."""


@lru_cache(maxsize=8)
def _scores(rows: int) -> tuple[list[float], list[float]]:
    """Score linear models drawn at random: on the test rows, and on fresh ones."""
    x, y = coins(rows, seed=1)
    fresh_x, fresh_y = coins(2000, seed=2)
    generator = torch.Generator().manual_seed(3)
    models = torch.randn(x.size(1), NUM_PEEKS, generator=generator)
    seen = ((x @ models > 0) == y.bool().unsqueeze(1)).float().mean(dim=0)
    new = ((fresh_x @ models > 0) == fresh_y.bool().unsqueeze(1)).float().mean(dim=0)
    return seen.tolist(), new.tolist()


def peeked(models: int, rows: int = 40) -> Peeked:
    """Try models that are drawn at random on coins, and keep the best.

    Args:
        models: How many are tried, :data:`NUM_PEEKS` at most.
        rows: In the test set.

    >>> peeked(1).best < peeked(100).best
    True
    """
    seen, new = _scores(rows)
    scores = seen[: min(models, NUM_PEEKS)]
    at = max(range(len(scores)), key=scores.__getitem__)
    return Peeked(scores, scores[at], new[at])


def peeks_picture(models: int, rows: int = 40) -> str:
    """Draw each model's score, the best so far, and what a coin gets."""
    found = peeked(models, rows)
    so_far = [max(found.scores[: n + 1]) for n in range(len(found.scores))]
    chart = Chart(
        (0, max(10, 1.04 * len(so_far))),
        (0.2, 1.0),
        title=f"accuracy on {rows} test rows",
        x_label="models tried",
    )
    numbers = range(1, len(so_far) + 1)
    thin = max(1, len(so_far) // 150)
    chart.points(
        numbers[::thin], found.scores[::thin], colour="gray", size=1.8, label="a model"
    )
    chart.across(0.5, label="truth: 0.5", colour="green")
    steps = [(n, v) for n, v in zip(numbers, so_far, strict=True)]
    if len(steps) == 1:
        return chart.points([1], so_far, colour="red", label="best so far").svg()
    return chart.line(
        [n for n, _ in steps], [v for _, v in steps], colour="red", label="best so far"
    ).svg()


def overlapping(shared: int) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Give 80 rows of coins to train and 40 to validate, ``shared`` in both."""
    x, y = coins(120, seed=5)
    val = slice(80 - shared, 120 - shared)
    return (x[:80], y[:80]), (x[val], y[val])


def _accuracy(predictions: Tensor, targets: Tensor) -> Tensor:
    return (predictions.argmax(dim=1) == targets).float().mean()


@threads(1)
def same_rows(shared: int = 30, epochs: int = 60) -> tuple[float, list[Finding]]:
    """Train on coins, validate on rows of which some were trained on.

    Args:
        shared: Of the 40 rows that validate.
        epochs: Of a network that can learn all rows by heart.

    Returns:
        The accuracy that validation tells, and what the doctor says.
    """
    train, val = overlapping(shared)
    with keeping_rng():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(6, 128), nn.ReLU(), nn.Linear(128, 2))
    doctor = gt.Doctor(select=["GT502"], tell=lambda finding: None)
    trainer = gt.Trainer(
        model,
        nn.CrossEntropyLoss(),
        torch.optim.Adam(model.parameters(), lr=0.01),
        metrics={"accuracy": _accuracy},
    )
    trainer.fit(
        train,
        val,
        epochs=epochs,
        batch_size=16,
        seed=0,
        callbacks=[doctor],
        progress=False,
    )
    return float(trainer.history["val_accuracy"][-1]), doctor.findings


def leaked() -> tuple[str, str]:
    """Draw what rows in both parts pretend, and tell what the doctor says."""
    shared, findings = same_rows(30)
    honest, _ = same_rows(0)
    values = [
        ("30 rows in both", shared),
        ("no row in both", honest),
        ("the truth", 0.5),
    ]
    picture = bars(values, title="accuracy on validation", colour="red")
    return picture, "\n".join(written(findings))


def scaled_rows() -> list[dict[str, Any]]:
    """Tell how a row is scaled by all rows and by the training rows alone."""
    return [
        {
            "scaled": "by all rows" if by_all else "by training rows",
            "held out": value,
            "first training row": round(float(train[0]), 3),
            "the row held out": round(float(val), 3),
        }
        for by_all in (True, False)
        for value in (5.0, 30.0)
        for train, val in [scaled(value, by_all=by_all)]
    ]


def scaled(held_out: float, *, by_all: bool) -> tuple[Tensor, Tensor]:
    """Scale eight training numbers, where one more number is held out.

    Args:
        held_out: The number that validates.
        by_all: Whether mean and spread are taken of it, too.

    Returns:
        The training numbers, and the one held out.

    >>> bool((scaled(1.0, by_all=False)[0] == scaled(9.0, by_all=False)[0]).all())
    True
    """
    train = torch.tensor([1.0, 2.0, 2.5, 3.0, 4.0, 4.5, 5.0, 6.0])
    val = torch.tensor([held_out])
    base = torch.cat([train, val]) if by_all else train
    mean, spread = base.mean(), base.std()
    return (train - mean) / spread, (val - mean) / spread


def scaled_picture(held_out: float) -> str:
    """Draw both ways of scaling, one above the other."""
    chart = Chart(
        (-4, 18),
        (-0.4, 2.6),
        title=f"the row held out is {held_out:g}",
        x_label="after scaling",
        height=210,
        y_ticks=False,
    )
    for place, by_all, label in ((2.0, False, "by train"), (0.9, True, "by all rows")):
        train, val = scaled(held_out, by_all=by_all)
        chart.line((-4, 18), (place, place), colour="gray", width=0.8)
        chart.points(
            train,
            [place] * 8,
            colour="red" if by_all else "blue",
            label=f"train, {label}",
            size=4,
        )
        name = "held out" if by_all else ""
        chart.points(val, [place], colour="orange", size=6, label=name)
    return chart.svg()
