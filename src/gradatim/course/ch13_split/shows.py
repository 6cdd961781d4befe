"""What chapter 13 shows: splits, learners by heart, peeking, scaling too early."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset, random_split

import gradatim as gt
from gradatim.course.curves import plane
from gradatim.course.doctor_says import written
from gradatim.course.loss_bowl import least_squares
from gradatim.course.training_paths import make_parts, random_from, trained_path
from gradatim.data import Batches, line
from gradatim.doctor.finding import Finding
from gradatim.ladder.rung_11_train_step import make_train_step
from gradatim.pages.boxes import cells, numbered
from gradatim.pages.charts import COLOURS, Chart, bars, framed
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
        num_train, num_val = len(self.train), len(self.val)
        colours = ["blue"] * (num_train + num_val)
        for row in self.val:
            colours[row] = "orange"
        legend = [(f"train: {num_train}", "blue"), (f"validate: {num_val}", "orange")]
        lines = numbered(colours)
        return cells(lines, title=title, legend=legend, width=36, height=22, left=40)

    def picture(self, *, title: str = "the same rows as points") -> str:
        """Draw the points of both parts, and the best line of the training part."""
        a, b = self.best()
        chart = self.points(title)
        return chart.line([0, 1], [a, a + b], colour="gray", label="best line").svg()

    def points(self, title: str, *, size: float = 3.0) -> Chart:
        """Draw the points of both parts; those that train may have another size."""
        x, y = line()
        chart = plane(Chart, title, (0, 3.6))
        chart.points(x[self.train], y[self.train], label="train", size=size)
        chart.points(x[self.val], y[self.val], colour="orange", label="validate")
        return chart

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
    with random_from(seed):
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
    model, loss_fn, optimizer = make_parts()
    train_step = make_train_step(model, loss_fn, optimizer)
    batches = Batches((x, y), batch_size=16, seed=seed)
    return trained_path(model, train_step, batches, epochs=epochs)[-1]


def split_sorted(val: int = 20) -> Split:
    """Split points that are sorted by x; the last ones validate."""
    order = line()[0].flatten().argsort().tolist()
    return Split(order[: 100 - val], order[100 - val :])


def coins(rows: int, seed: int) -> tuple[Tensor, Tensor]:
    """Make random rows and, for each, a coin: a class that no column can tell."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, 6, generator=generator)
    return x, torch.randint(2, (rows,), generator=generator)


def by_heart(neighbours: int, split: Split) -> tuple[Tensor, Tensor, Tensor]:
    """Predict y by the mean of near training rows, at 201 places and for both parts.

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
    predictions, _, _ = by_heart(neighbours, split)
    rows = "row" if neighbours == 1 else "rows"
    chart = split.points(f"the mean of the {neighbours} nearest {rows}", size=2.5)
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
    vals = [val for _, val in both]
    chart.line(sizes, shown, colour="blue", label="train", dots=True)
    chart.line(sizes, vals, colour="orange", label="validate", dots=True)
    return chart.upright(chosen).svg()


def three_parts(total: int, val: int, test: int) -> str:
    """Draw how many rows train, choose and score, as one bar."""
    parts, left = [], 0.0
    for place, (text, count, name) in enumerate(
        (
            ("train: {} rows, learned from", total - val - test, "blue"),
            ("validate: {} rows, chosen by", val, "orange"),
            ("test: {} rows, scored once", test, "green"),
        )
    ):
        wide, y, colour = 440 * count / total, 70 + 20 * place, COLOURS[name]
        parts.append(
            f'<rect x="{left:.1f}" y="26" width="{max(wide - 2, 1):.1f}" height="26" '
            f'rx="3" fill="{colour}" fill-opacity=".6" stroke="{colour}"/>'
            f'<g><rect x="0" y="{y}" width="12" height="12" rx="2" fill="{colour}"/>'
            f'<text x="20" y="{y + 11}">{text.format(count)}</text></g>'
        )
        left += wide
    return framed("".join(parts), 440, 136, f"{total} rows in three parts")


@dataclass(frozen=True)
class Peeked:
    """How good the best of some models seems to be, and how good it is."""

    scores: list[float]
    """The accuracy of each model on the test rows."""
    best: float
    fresh: float
    """The accuracy of the same model on 2,000 rows that it was not chosen by."""


@lru_cache(maxsize=8)
def _scores(rows: int) -> tuple[list[float], list[float]]:
    """Score random linear models on the test rows and on fresh rows."""
    generator = torch.Generator().manual_seed(3)
    models = torch.randn(6, NUM_PEEKS, generator=generator)

    def scores(x: Tensor, y: Tensor) -> list[float]:
        is_right = (x @ models > 0) == y.bool().unsqueeze(1)
        return is_right.float().mean(dim=0).tolist()

    return scores(*coins(rows, seed=1)), scores(*coins(2000, seed=2))


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
    x, title = (0, max(10, 1.04 * len(so_far))), f"accuracy on {rows} test rows"
    chart = Chart(x, (0.2, 1.0), title=title, x_label="models tried")
    numbers = range(1, len(so_far) + 1)
    some = slice(None, None, max(1, len(so_far) // 150))
    chart.points(numbers[some], scores[some], colour="gray", size=1.8, label="a model")
    chart.across(0.5, label="truth: 0.5", colour="green")
    draw = chart.points if len(so_far) == 1 else chart.line
    return draw(numbers, so_far, colour="red", label="best so far").svg()


def _accuracy(predictions: Tensor, targets: Tensor) -> Tensor:
    return (predictions.argmax(dim=1) == targets).float().mean()


@threads(1)
def same_rows(shared: int = 30, epochs: int = 60) -> tuple[float, list[Finding]]:
    """Train a network on 80 rows of coins, and validate on 40; ``shared`` are in both.

    Give the accuracy on the rows that validate, and what the doctor finds.
    """
    x, y = coins(120, seed=5)
    val_rows = slice(80 - shared, 120 - shared)
    train, val = (x[:80], y[:80]), (x[val_rows], y[val_rows])
    with random_from(0):
        model = nn.Sequential(nn.Linear(6, 128), nn.ReLU(), nn.Linear(128, 2))
    doctor = gt.Doctor(select=["GT502"], tell=lambda finding: None)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    metrics = {"accuracy": _accuracy}
    trainer = gt.Trainer(model, nn.CrossEntropyLoss(), optimizer, metrics=metrics)
    choices: Any = {"epochs": epochs, "batch_size": 16, "seed": 0, "progress": False}
    trainer.fit(train, val, callbacks=[doctor], **choices)
    return float(trainer.history["val_accuracy"][-1]), doctor.findings


def leaked() -> tuple[str, str]:
    """Draw the accuracy with rows in both parts, and give what the doctor says."""
    shared, findings = same_rows(30)
    honest, _ = same_rows(0)
    values = ("30 rows in both", shared), ("no row in both", honest), ("the truth", 0.5)
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
        colour, name = ("red", "held out") if by_all else ("blue", "")
        chart.points(train, [place] * 8, colour=colour, label=f"train, {label}", size=4)
        chart.points(val, [place], colour="orange", size=6, label=name)
    return chart.svg()
