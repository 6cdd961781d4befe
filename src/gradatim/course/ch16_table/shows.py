"""What chapter 16 shows: a table, from its file to a model; the doctor on scripts."""

import contextlib
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch

from gradatim.course.doctor_says import diagnosed, hushed
from gradatim.errors import ConfigError, GradatimError
from gradatim.hooks import Callback
from gradatim.loading import Predictor
from gradatim.pages.charts import Chart
from gradatim.tables.files.formats import open_file
from gradatim.tables.fit.config import TabularConfig
from gradatim.tables.fit.fit import fit_table, predict_rows
from gradatim.tables.fit.plan import plan_table
from gradatim.tables.schema.schema import Schema
from gradatim.tables.table import read_table

STATES: dict[str, list[Any]] = {
    "size": [70, 30, 120],
    "district": ["center", "harbour", "north", "south"],
    "year": [1980, 2002],
}

DISTRICTS = ("center", "harbour", "north", "south")
PER_METRE = {"center": 15.0, "harbour": 12.0, "north": 9.0, "south": 8.0}
PREFIX = "gradatim-course-"
MOST_BYTES = 50_000_000
"""The size of a file that is read in the course; chosen by hand, not measured."""
MOST_SECONDS = 60.0
"""The time of a training in the course; chosen by hand, not measured."""


@dataclass(frozen=True)
class Source:
    """The file of a table, as it was read."""

    name: str
    content: bytes


@lru_cache(maxsize=4)
def flats(rows: int = 400, *, leak: bool = False) -> Source:
    """Make a CSV file of flats, whose ``rent`` depends on the other columns.

    ``leak`` adds a column ``deposit``: three rents.

    >>> flats(2).content.decode().splitlines()[0]
    'size,rooms,district,built,rent'
    """
    generator = torch.Generator().manual_seed(16)
    size = torch.randint(25, 141, (rows,), generator=generator)
    noise = torch.randn(rows, 2, generator=generator)
    place = torch.randint(4, (rows,), generator=generator)
    year = torch.randint(1930, 2021, (rows,), generator=generator)
    month = torch.randint(1, 13, (rows,), generator=generator)
    unknown = torch.rand(rows, generator=generator) < 0.05
    lines = ["size,rooms,district,built,rent" + (",deposit" if leak else "")]
    for row in range(rows):
        metres, district = int(size[row]), DISTRICTS[int(place[row])]
        more, extra = noise[row].tolist()
        rooms = "" if unknown[row] else max(1, round(metres / 28 + 0.5 * more))
        rent = round(rent_of(metres, district, int(year[row])) + 40 * extra)
        date = f"{int(year[row])}-{int(month[row]):02}-01"
        line = f"{metres},{rooms},{district},{date},{rent}"
        lines.append(line + (f",{3 * rent}" if leak else ""))
    return Source("flats.csv", ("\n".join(lines) + "\n").encode())


def rent_of(size: float, district: str, year: int) -> float:
    """Give the rent without noise; a metre of a large flat is cheaper.

    >>> rent_of(40, "north", 1950)
    510.0
    """
    metre = PER_METRE[district] * (1 - 0.0018 * max(0.0, size - 40))
    return 150 + metre * size + (120 if year > 2000 else 0)


def chosen(uploaded: Sequence[Any], path: str) -> Source:
    """Give the uploaded file, or else the file at a path, or else the flats.

    Raises:
        ConfigError: There is no file at the path, or it is too large for the course.

    >>> chosen([], "").name
    'flats.csv'
    """
    if uploaded:
        return Source(uploaded[0].name, uploaded[0].contents)
    if not path.strip():
        return flats()
    file = Path(path.strip()).expanduser()
    if not file.is_file():
        raise ConfigError(f"there is no file {file}.")
    if file.stat().st_size > MOST_BYTES:
        raise ConfigError(
            f"{file} has more than {MOST_BYTES:,} bytes.\n"
            f"Use the command: gradatim fit {file.name} --target COLUMN"
        )
    return Source(file.name, file.read_bytes())


def opened(uploaded: Sequence[Any], path: str) -> tuple[Source, str]:
    """Give the chosen file if it can be read as a table, else the flats.

    The second result says what is wrong with the chosen file.

    >>> opened([], "no.csv")[1]
    'there is no file no.csv.'
    """
    try:
        source = chosen(uploaded, path)
        columns_of(source)
    except (GradatimError, OSError) as error:
        return flats(), _message_of(error)
    return source, ""


def first_lines(source: Source, lines: int = 5) -> str:
    """Give the first lines of a text file, or the first columns of a Parquet file."""
    if source.name.endswith(".parquet"):
        return ", ".join(columns_of(source)[:20])
    text = source.content[:20_000].decode("utf-8", errors="replace")
    return "\n".join(line[:120] for line in text.splitlines()[:lines])


def _message_of(error: Exception) -> str:
    """Give a message without the temporary folder from which the file was read."""
    return re.sub(rf"\S*{PREFIX}\w+[/\\\\]", "", str(error))


@contextlib.contextmanager
def _in_folder(source: Source) -> Iterator[Path]:
    """Write the file of a table into a folder that goes when the block ends."""
    with tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
        path = Path(folder) / (Path(source.name).name or "table.csv")
        path.write_bytes(source.content)
        yield path


@lru_cache(maxsize=8)
def columns_of(source: Source) -> list[str]:
    """Give the names of the columns of a table.

    >>> columns_of(flats())
    ['size', 'rooms', 'district', 'built', 'rent']
    """
    with _in_folder(source) as path:
        return list(open_file(path).read().column_names)


@lru_cache(maxsize=32)
def inspected(
    source: Source, target: str | None, drop: tuple[str, ...] = ()
) -> list[dict[str, str]]:
    """Give the rows that ``gradatim inspect`` shows.

    >>> [row["kind"] for row in inspected(flats(), "rent")]
    ['target', 'number', 'number', 'category', 'datetime']
    """
    with _in_folder(source) as path:
        table = open_file(path).read()
    schema = Schema.infer(table, target=target, drop=drop)
    names = ("column", "kind", "seen", "what is done with it")
    return [dict(zip(names, row, strict=True)) for row in schema.describe()]


def tried(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call :func:`inspected` or :func:`fit`; give the message if it refuses.

    >>> tried(inspected, flats(), "built").splitlines()[0]
    "The target 'built' holds date32[day]."
    >>> "rents" in tried(fit, flats(40), "rents")
    True
    """
    try:
        return function(*arguments)
    except GradatimError as error:
        return _message_of(error)


class _InTime(Callback):
    """Stops a training that takes too long."""

    only_watches = True

    def on_fit_begin(self, trainer: Any) -> None:
        self.end = time.monotonic() + MOST_SECONDS

    def on_epoch_end(self, trainer: Any) -> None:
        if time.monotonic() > self.end:
            trainer.stop(f"more than {MOST_SECONDS:g} s: enough for a course")


@dataclass(frozen=True)
class Fitted:
    """The model of a table, and what is known of it."""

    task: str
    num_rows: tuple[int, int, int]
    """The numbers of rows that train, that validate and that test."""
    scores: dict[str, dict[str, float]]
    stop_reason: str
    num_epochs: int
    predictor: Predictor
    pairs: list[tuple[float, float]]
    """Truth and prediction of test rows, 300 at most, if the target is a number."""


@lru_cache(maxsize=32)
def fit(
    source: Source, target: str, drop: tuple[str, ...] = (), seed: int = 0
) -> Fitted:
    """Do what ``gradatim fit`` does, without a run's folder.

    Raises:
        DataError: The file or the target cannot be used.
    """
    with _in_folder(source) as path:
        table = read_table(path, target=target, drop=drop, drop_missing_target=True)
    plan = plan_table(table, TabularConfig(seed=seed, threads=1))
    with hushed():
        done = fit_table(plan, callbacks=[_InTime()], progress=False)
    pairs = []
    if done.model.task == "regression":
        some = plan.test[:300]
        origin = table.schema.target.origin if table.schema.target else 0.0
        answers = predict_rows(done.model, table.select(some).x).double() + origin
        assert table.y is not None
        truth = table.y[some].double() + origin
        pairs = list(zip(truth.tolist(), answers.tolist(), strict=True))
    return Fitted(
        task=done.model.task,
        num_rows=(len(plan.train), len(plan.val), len(plan.test)),
        scores=done.scores,
        stop_reason=str(done.history.stop_reason),
        num_epochs=done.history.num_epochs,
        predictor=Predictor(model=done.model, schema=table.schema, scores=done.scores),
        pairs=pairs,
    )


NAMES = {
    "baseline": "always the same",
    "linear": "a linear model",
    "model": "the network",
}
"""What the course calls the models."""

MEANINGS = {
    True: "*rmse* is the typical error and *mae* the mean one, in the target's own "
    "units. *r2* is 1 for perfect, and about 0 for always answering the mean.",
    False: "*accuracy* is the share of right classes; *balanced_accuracy* counts all "
    "classes alike, however rare. *log_loss* is small where a right class was given a "
    "high probability. The first line always answers with the shares of the classes.",
}


def meaning(fitted: Fitted) -> str:
    """Say what the scores mean, for a number or for classes.

    >>> "rmse" in meaning(fit(flats(), "rent"))
    True
    """
    return MEANINGS[fitted.task == "regression"]


def count_rows(fitted: Fitted) -> str:
    """Say how many rows train, validate and test."""
    train, val, test = fitted.num_rows
    return f"scores on {test:,} test rows; {train:,} to train, {val:,} to validate"


def score_rows(fitted: Fitted) -> list[dict[str, Any]]:
    """Give the scores as rows of a table."""
    return [{"": NAMES[name], **scores} for name, scores in fitted.scores.items()]


def truth_picture(fitted: Fitted, *, title: str = "test rows") -> str:
    """Draw predictions over the truth; on the dashed line both are equal."""
    values = [value for pair in fitted.pairs for value in pair] or [0.0, 1.0]
    low, high = min(values), max(values)
    room = 0.05 * (high - low) or 1.0
    ends = low - room, high + room
    chart = Chart(ends, ends, title=title, x_label="truth", y_label="predicted")
    chart.line(ends, ends, colour="gray", dashed=True, label="truth = prediction")
    truth, predictions = [p[0] for p in fitted.pairs], [p[1] for p in fitted.pairs]
    return chart.points(truth, predictions, colour="blue", label="a test row").svg()


def predicted(fitted: Fitted, rows: Sequence[Mapping[str, Any]]) -> list[float]:
    """Predict numbers for rows as they stand in a file."""
    answers = fitted.predictor.predict(pa.Table.from_pylist([dict(r) for r in rows]))
    return [float(answer) for answer in answers]


def in_other_order(fitted: Fitted) -> list[dict[str, Any]]:
    """Predict a flat whose columns stand in another order, with one more column.

    >>> fitted = fit(flats(), "rent")
    >>> len({row["predicted rent"] for row in in_other_order(fitted)})
    1
    """
    flat = flat_of(70, "north", 1980)
    turned = {"owner": "Smith"} | dict(reversed(flat.items()))
    rents = [round(predicted(fitted, [row])[0], 2) for row in (flat, turned)]
    return [
        {"columns": ", ".join(row), "predicted rent": rent}
        for row, rent in zip((flat, turned), rents, strict=True)
    ]


def flat_of(size: int, district: str, year: int) -> dict[str, Any]:
    """Give one flat as a row, with the number of rooms that such flats have."""
    return {
        "size": size,
        "rooms": max(1, round(size / 28)),
        "district": district,
        "built": f"{year}-06-01",
    }


def what_if(fitted: Fitted, size: int, district: str, year: int) -> tuple[str, float]:
    """Draw the predicted rent over all sizes, and give that of one flat."""
    sizes = [*range(25, 141, 5), size]
    answers = predicted(fitted, [flat_of(s, district, year) for s in sizes])
    title = f"{district}, built in {year}"
    chart = Chart((20, 145), (0, 2200), title=title, x_label="size", y_label="rent")
    truth = [rent_of(s, district, year) for s in sizes[:-1]]
    chart.line(sizes[:-1], truth, colour="gray", dashed=True, label="made with")
    chart.line(sizes[:-1], answers[:-1], colour="blue", label="predicted")
    return chart.star(size, answers[-1], label="this flat").svg(), answers[-1]


# The doctor on a script

_SCRIPT = """\
import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(200, 5)
y = x[:, :1] - 2 * x[:, 1:2] + 0.1 * torch.randn(200, 1)

model = nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
for epoch in range(30):
    for rows in torch.randperm(160).split(16):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x[rows]), y[rows])
        loss.backward()
        optimizer.step()
print(f"loss {loss.item():.4f}")
"""

SCRIPTS = {
    "A": _SCRIPT.replace("        optimizer.zero_grad()\n", ""),
    "B": _SCRIPT.replace("y[rows])", "y[rows, 0])"),
    "C": _SCRIPT.replace(
        "        loss.backward()\n        optimizer.step()\n",
        "        loss.backward()\n        optimizer.zero_grad()\n"
        "        optimizer.step()\n",
    ),
    "D": _SCRIPT.replace("nn.ReLU(), ", ""),
    "E": _SCRIPT,
}
"""Versions of one program by name; the last one is as it should be."""
FAULTS = {
    "zero_grad() is missing": "It stands after step(), where it belongs.",
    "targets of the wrong shape": "y[rows] is a column, as the predictions are.",
    "gradients are cleared before the update": "backward(), step(), zero_grad(): that "
    "order is right.",
    "two layers without anything between": "A ReLU stands between the layers.",
    "nothing is wrong": "Something is. Look at the loop once more, line by line.",
}
"""What is wrong with the versions, in their order, and what to say of other ones."""
FAULT_OF = dict(zip(SCRIPTS, FAULTS, strict=True))
"""What is wrong, by version."""


def judged(version: str) -> dict[str, str]:
    """Give for each of :data:`FAULTS` the answer to a learner who chooses it.

    >>> judged("C")["gradients are cleared before the update"]
    'See below what the doctor says of it.'
    """
    return FAULTS | {FAULT_OF[version]: "See below what the doctor says of it."}


def examined(name: str) -> str:
    """Give what ``gradatim doctor train.py`` says of one of :data:`SCRIPTS`.

    >>> examined("A")[:5]
    'GT101'
    """
    return diagnosed(SCRIPTS[name])
