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
from gradatim.course.training_paths import new_line, trained_path
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

NUM_PEEKS = 1000
"""The number of models that can be tried; chosen by hand, not measured."""


@dataclass(frozen=True)
class Split:
    """The numbers of the rows in each of two parts."""

    train: list[int]
    val: list[int]

    def grid(self, *, title: str = "which rows validate") -> str:
        """Draw all rows, each in the colour of its part."""
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
        """Give a and b of the best line for the training part."""
        x, y = (part[self.train].double() for part in line())
        a, b = least_squares(x, y).tolist()
        return a, b

    def losses(self) -> tuple[float, float]:
        """Give the mean squared error of the best line on both parts."""
        x, y = (part.double() for part in line())
        a, b = self.best()
        squares = (y - (a + b * x)) ** 2
        return float(squares[self.train].mean()), float(squares[self.val].mean())


def split_rows(seed: int = 42, val: int = 20) -> Split:
    """Split the 100 points as rung 12 does; ``val`` of them validate.

    >>> split = split_rows()
    >>> len(split.train), len(split.val), len({*split.train, *split.val})
    (80, 20, 100)
    """
    with keeping_rng():
        torch.manual_seed(seed)
        train_set, val_set = random_split(TensorDataset(*line()), [100 - val, val])
    return Split(list(train_set.indices), list(val_set.indices))


@lru_cache(maxsize=32)
@threads(1)
def trained(seed: int = 42, val: int = 20, *, epochs: int = 200) -> tuple[float, float]:
    """Train a line on the training rows of a split, 16 at a time.

    >>> a, b = trained()
    >>> best_a, best_b = split_rows().best()
    >>> abs(a - best_a) < 0.01 and abs(b - best_b) < 0.01
    True
    """
    x, y = (part[split_rows(seed, val).train] for part in line())
    model = new_line()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    train_step = make_train_step(model, nn.MSELoss(), optimizer)
    batches = Batches((x, y), batch_size=16, seed=seed)
    return trained_path(model, train_step, batches, epochs=epochs)[-1]


def split_sorted(val: int = 20) -> Split:
    """Split points that are sorted by x; the last ones validate."""
    order = line()[0].flatten().argsort().tolist()
    return Split(order[: 100 - val], order[100 - val :])


def coins(rows: int, seed: int, *, columns: int = 6) -> tuple[Tensor, Tensor]:
    """Make random rows and, for each, a coin: a class that no column can tell."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, columns, generator=generator)
    return x, torch.randint(2, (rows,), generator=generator)


def by_heart(neighbours: int, split: Split) -> tuple[Tensor, Tensor, Tensor]:
    """Predict each y by the mean of the nearest training rows.

    Returns:
        The predictions at 201 places from 0 to 1, and at the rows of both parts.

    >>> split = split_rows()
    >>> _, train, _ = by_heart(1, split)
    >>> bool((train == line()[1][split.train]).all())
    True
    """
    x, y = line()
    known_x, known_y = x[split.train], y[split.train]

    def answer(at: Tensor) -> Tensor:
        near = (at - known_x.T).abs().argsort(dim=1)[:, :neighbours]
        return known_y.flatten()[near].mean(dim=1, keepdim=True)

    places = torch.linspace(0, 1, 201).unsqueeze(1)
    return answer(places), answer(x[split.train]), answer(x[split.val])


def errors_by_heart(neighbours: int, split: Split) -> tuple[float, float]:
    """Give the mean squared error on the training rows and on the other ones."""
    _, y = line()
    _, train, val = by_heart(neighbours, split)
    return (
        float(((train - y[split.train]) ** 2).mean()),
        float(((val - y[split.val]) ** 2).mean()),
    )


def by_heart_picture(neighbours: int, split: Split) -> str:
    """Draw what the mean of the nearest training rows predicts."""
    x, y = line()
    predictions, _, _ = by_heart(neighbours, split)
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
    return chart.line(places, predictions, colour="green", label="predicted").svg()


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
    """How good the best of some models seems to be, and how good it is."""

    scores: list[float]
    """The accuracy of each model on the test rows."""
    best: float
    """The highest of these scores."""
    fresh: float
    """The accuracy of the same model on 2,000 rows that it was not chosen by."""


@lru_cache(maxsize=8)
def _scores(rows: int) -> tuple[list[float], list[float]]:
    """Score random linear models on the test rows and on fresh rows."""
    x, y = coins(rows, seed=1)
    fresh_x, fresh_y = coins(2000, seed=2)
    generator = torch.Generator().manual_seed(3)
    models = torch.randn(x.size(1), NUM_PEEKS, generator=generator)
    seen = ((x @ models > 0) == y.bool().unsqueeze(1)).float().mean(dim=0)
    new = ((fresh_x @ models > 0) == fresh_y.bool().unsqueeze(1)).float().mean(dim=0)
    return seen.tolist(), new.tolist()


def peeked(models: int, rows: int = 40) -> Peeked:
    """Try random models on ``rows`` rows of coins, and keep the best one.

    >>> peeked(1).best < peeked(100).best
    True
    """
    seen, new = _scores(rows)
    scores = seen[: min(models, NUM_PEEKS)]
    at = max(range(len(scores)), key=scores.__getitem__)
    return Peeked(scores, scores[at], new[at])


def peeks_picture(models: int, rows: int = 40) -> str:
    """Draw the score of each model, the best so far, and what a coin gets."""
    scores = peeked(models, rows).scores
    so_far = [max(scores[: n + 1]) for n in range(len(scores))]
    chart = Chart(
        (0, max(10, 1.04 * len(so_far))),
        (0.2, 1.0),
        title=f"accuracy on {rows} test rows",
        x_label="models tried",
    )
    numbers = range(1, len(so_far) + 1)
    thin = max(1, len(so_far) // 150)
    chart.points(
        numbers[::thin], scores[::thin], colour="gray", size=1.8, label="a model"
    )
    chart.across(0.5, label="truth: 0.5", colour="green")
    draw = chart.points if len(so_far) == 1 else chart.line
    return draw(numbers, so_far, colour="red", label="best so far").svg()


def overlapping(shared: int) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Give 80 rows of coins to train and 40 to validate, ``shared`` rows in both."""
    x, y = coins(120, seed=5)
    val = slice(80 - shared, 120 - shared)
    return (x[:80], y[:80]), (x[val], y[val])


def _accuracy(predictions: Tensor, targets: Tensor) -> Tensor:
    return (predictions.argmax(dim=1) == targets).float().mean()


@threads(1)
def same_rows(shared: int = 30, epochs: int = 60) -> tuple[float, list[Finding]]:
    """Train a network on coins, and validate on 40 rows; it has seen some of them.

    Returns:
        The accuracy on the rows that validate, and what the doctor finds.
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
    """Draw the accuracy with rows in both parts, and give what the doctor says."""
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
    """Give a row for each way of scaling: by all rows, or by the training rows."""
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
    """Scale eight training numbers and one number that is held out.

    ``by_all`` computes mean and deviation of all nine, not of the eight alone.

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
