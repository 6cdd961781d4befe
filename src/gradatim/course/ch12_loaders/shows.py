"""What chapter 12 shows: data sets, loaders, the order of rows, and memory."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, TensorDataset

import gradatim as gt
from gradatim.course.ch04_tensors.shows import OTHER_DEVICE, first_device
from gradatim.course.doctor_says import written
from gradatim.course.loss_bowl import Descent
from gradatim.course.training_paths import (
    as_descent,
    line_of,
    make_parts,
    points,
    random_from,
    trained_path,
)
from gradatim.data import Batches
from gradatim.ladder.rung_11_train_step import make_train_step
from gradatim.ladder.rung_12_loaders import LineDataset
from gradatim.pages.boxes import cells, numbered
from gradatim.pages.charts import COLOURS, framed
from gradatim.pages.page import escaped
from gradatim.rng import keeping_rng
from gradatim.text import bytes_for_people

STATES: dict[str, list[Any]] = {
    "batch_size": [16, 1, 2, 4, 8, 32, 80],
    "whole": [False, True],
}

DEVICE_GB = 16
"""The memory of the device in the picture."""
HOST_GB = 256
"""The memory of the CPU in the picture."""
NUM_COLUMNS = 100
"""The number of columns of the data set in the picture."""
CYCLE = ("blue", "orange", "green", "violet", "red")


class _ReadRows(Dataset[int]):
    """A data set that notes which of its rows are read."""

    def __init__(self) -> None:
        self.rows: list[int] = []

    def __getitem__(self, index: int) -> int:
        self.rows.append(index)
        return index

    def __len__(self) -> int:
        return 80


class NoLength(Dataset[tuple[Tensor, Tensor]]):
    """The points as a data set that has no length."""

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        x, y = points()
        return x[index], y[index]


def _loader(
    data: Dataset[object], batch_size: int, *, shuffle: bool, seed: int = 42
) -> "DataLoader[object]":
    generator = torch.Generator().manual_seed(seed)
    return DataLoader(data, batch_size, shuffle=shuffle, generator=generator)


def asked_rows(batch_size: int, taken: int, *, shuffle: bool) -> list[list[int]]:
    """Take some batches from a loader; give the rows that it read for each.

    >>> asked_rows(4, 2, shuffle=False)
    [[0, 1, 2, 3], [4, 5, 6, 7]]
    """
    data, batches = _ReadRows(), []
    loader = _loader(data, batch_size, shuffle=shuffle)
    for _, _batch in zip(range(taken), loader, strict=False):
        batches.append(data.rows)
        data.rows = []
    return batches


def rows_picture(batches: Sequence[Sequence[int]], *, title: str) -> str:
    """Draw the 80 rows; the rows of a batch have its colour.

    >>> rows_picture([[0, 1]], title="two").count("<rect")
    82
    """
    colours = [""] * 80
    for number, batch in enumerate(batches):
        for row in batch:
            colours[row] = CYCLE[number % len(CYCLE)]
    legend = [("each colour is one batch", CYCLE[0]), ("not asked for", "")]
    lines = numbered(colours)
    return cells(lines, title=title, legend=legend, width=32, height=24, left=34)


def one_batch(batch_size: int = 16) -> Any:
    """Give the first batch of a shuffled loader."""
    return next(iter(_loader(TensorDataset(*points()), batch_size, shuffle=True)))


def from_loader(
    batch_size: int, epochs: int, *, first_only: bool = False, lr: float = 0.1
) -> Descent:
    """Train the model of rung 12 in mini-batches of the 80 points.

    ``first_only`` takes ``next(iter(loader))`` for each update, from rows that are
    sorted by x and not shuffled.

    >>> len(from_loader(32, 2).path) - 1
    6
    """
    model, loss_fn, optimizer = make_parts(lr)
    train_step = make_train_step(model, loss_fn, optimizer)
    x, y = points()
    order = by_x() if first_only else torch.arange(len(x))
    data = TensorDataset(x[order], y[order])
    loader: Any = _loader(data, batch_size, shuffle=not first_only)
    with keeping_rng():
        batches = [next(iter(loader)) for _ in loader] if first_only else loader
        return as_descent(trained_path(model, train_step, batches, epochs=epochs))


def rows_compared(index: int = 17) -> list[dict[str, str]]:
    """Give a row for each of the two data sets: its length and one of its rows.

    >>> one, other = rows_compared()
    >>> one["dataset[17]"] == other["dataset[17]"]
    True
    """
    rows = []
    for kind in (LineDataset, TensorDataset):
        data, name = kind(*points()), f"{kind.__name__}(x, y)"
        row = ", ".join(f"{float(value):.4f}" for value in data[index])
        length = str(len(data))
        rows.append({"": name, "len(dataset)": length, f"dataset[{index}]": row})
    return rows


def sent_once(epochs: int = 20) -> str:
    """Train with batches that are sent one by one, and with data sent beforehand.

    >>> "5 batches" in sent_once(1), "the same bits" in sent_once(1)
    (True, True)
    """
    device = first_device()
    x, y = points()
    ends, sent = [], 0
    for way, data in enumerate(((x, y), (x.to(device), y.to(device)))):
        model, loss_fn, optimizer = make_parts()
        train_step = make_train_step(model.to(device), loss_fn, optimizer)
        loader = _loader(TensorDataset(*data), 16, shuffle=True)
        with keeping_rng():
            for _ in range(epochs):
                for x_batch, y_batch in loader:
                    if way == 0:
                        x_batch, y_batch = x_batch.to(device), y_batch.to(device)
                        sent += 1
                    train_step(x_batch, y_batch)
        ends.append(line_of(model))
    same = "the same bits" if ends[0] == ends[1] else "other bits"
    return (
        f"{sent} batches were sent to **{device}** in {epochs} epochs, 16 rows each; "
        f"or all 80 rows once. The line at the end has {same}."
    )


def whole_on_device() -> str:
    """Let the doctor watch a loader whose data lie on the device already.

    >>> whole_on_device().partition(" ")[0]
    'GT512'
    """
    x, y = (column.to(OTHER_DEVICE) for column in points())
    with gt.watch() as seen:
        loader = DataLoader(TensorDataset(x, y), batch_size=16)
        for _ in loader:
            pass
    return "\n".join(written(seen.findings))


def by_x() -> Tensor:
    """Give the numbers of the rows in the order of x."""
    x, _ = points()
    return x.flatten().argsort()


def orders(seed: int, *, count: int = 8) -> str:
    """Draw the order of the first rows, from gradatim's batches and from a loader."""
    rows = torch.arange(80)

    def line(name: str, order: list[int], colour: str = "blue") -> tuple[str, Any]:
        return name, [(str(n), colour) for n in order[:count]]

    ours = [
        line(f"run {run}, epoch {epoch}", _by_batches(rows, seed, epoch))
        for run in (1, 2)
        for epoch in (0, 1)
    ]
    theirs = [
        line("run 1", _by_loader(rows, seed, drawn=False)),
        line("run 2 *", _by_loader(rows, seed, drawn=True), "orange"),
    ]
    title = f"DataLoader after torch.manual_seed({seed})"
    return "".join(
        cells(lines, title=title, left=104, width=38)
        for lines, title in ((ours, f"Batches(seed={seed})"), (theirs, title))
    )


def _by_batches(rows: Tensor, seed: int, epoch: int) -> list[int]:
    batches = Batches(rows, batch_size=16, seed=seed)
    return [n for batch in batches.epoch(epoch) for n in batch.tolist()]


def _by_loader(rows: Tensor, seed: int, *, drawn: bool) -> list[int]:
    """Give the order of a loader; before it another number may be drawn."""
    with random_from(seed):
        if drawn:
            torch.rand(1)
        loader = DataLoader(TensorDataset(rows), 16, shuffle=True)
        return [n for (batch,) in loader for n in batch.tolist()]


def size_of(num_rows: int, num_columns: int = NUM_COLUMNS) -> int:
    """Give the size in bytes of rows of float32 numbers, with one y for each row.

    >>> size_of(1_000_000)
    404000000
    """
    return 4 * num_rows * (num_columns + 1)


def memory(num_rows: int, batch_size: int, *, whole: bool) -> str:
    """Draw what lies in the memory of the CPU and in that of the device.

    ``whole`` sends the whole data set to the device, not one mini-batch.
    """
    data, batch = size_of(num_rows), size_of(min(batch_size, num_rows))
    sent = data if whole else batch
    name = "the whole data set" if whole else f"one mini-batch of {batch_size}"
    parts = []
    for place, (where, what, size, gigabytes) in enumerate(
        (("CPU", "the data set", data, HOST_GB), ("device", name, sent, DEVICE_GB))
    ):
        y, room = 30 + 74 * place, gigabytes * 10**9
        fits = size <= room
        colour = COLOURS["blue" if fits else "red"]
        wide = max(2.0, 430 * min(1, size / room))
        verdict = "" if fits else ", does not fit"
        parts.append(
            f'<text x="0" y="{y + 8}">{where}: {gigabytes} GB</text>'
            f'<rect x="1" y="{y + 14}" width="430" height="24" rx="3" fill="none" '
            'stroke="currentColor" stroke-opacity=".4"/>'
            f'<rect x="1" y="{y + 14}" width="{wide:.1f}" height="24" rx="3" '
            f'fill="{colour}" fill-opacity=".6"/>'
            f'<text x="8" y="{y + 54}">{escaped(what)}: '
            f"{bytes_for_people(size)}{verdict}</text>"
        )
    title = f"{num_rows:,} rows of {NUM_COLUMNS} numbers"
    return framed("".join(parts), 440, 178, title)
