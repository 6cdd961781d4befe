"""What chapter 1 shows: the points, their split, words for shapes, and batches."""

import itertools
import math
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, TensorDataset

from gradatim.course.curves import plane
from gradatim.course.loss_bowl import rows
from gradatim.data.line import line_rows
from gradatim.pages.boxes import cells, numbered
from gradatim.pages.charts import Chart, framed

STATES: dict[str, list[Any]] = {
    "order": ["shuffled", "sorted by x", "as they came", "seeded again"],
    "batch_size": [16, 1, 5, 30, 40, 80],
}

Array = np.ndarray
NUM_POINTS = 100
NUM_TRAIN = 80
CYCLE = ("blue", "orange", "green", "violet", "red")
"""The colours of batches, one after the other."""
WORDS = ("scalar", "vector", "matrix", "tensor", "tensor")
"""What a tensor is called, by its number of dimensions."""


def make_points(noise: float = 0.1, seed: int = 42) -> tuple[Array, Array]:
    """Make the tutorial's points, or such points with another noise or seed.

    >>> x, y = make_points()
    >>> x.shape, round(x[0, 0], 4), round(y[0, 0], 4)
    ((100, 1), np.float64(0.3745), np.float64(1.7578))
    """
    random = np.random.RandomState(seed)
    x = random.rand(100, 1)
    y = 1 + 2 * x + noise * random.randn(100, 1)
    return x, y


def best_line(x: Array, y: Array) -> tuple[float, float]:
    """Give a and b of the line with the lowest mean squared error.

    >>> [round(value, 6) for value in best_line(np.arange(3), 1 + np.arange(3))]
    [1.0, 1.0]
    """
    b, a = np.polyfit(x.ravel(), y.ravel(), 1)
    return float(a), float(b)


def points_picture(x: Array, y: Array, *, title: str = "100 points") -> str:
    """Draw points, the true line, and the line that fits the points best."""
    chart = plane(Chart, title, (-0.5, 4.5))
    chart.points(x.ravel().tolist(), y.ravel().tolist(), label="points", size=2.5)
    a, b = best_line(x, y)
    chart.line([0, 1], [a, a + b], label="the best for these points")
    # Above the other line, so that both are seen where they are nearly the same.
    chart.line([0, 1], [1, 3], label="the true line", colour="green", dashed=True)
    return chart.svg()


def shuffled_apart() -> tuple[str, float]:
    """Shuffle x and y independently; give a picture and the slope that is left."""
    x, y = make_points()
    random = np.random.RandomState(42)
    x, y = x[random.permutation(NUM_POINTS)], y[random.permutation(NUM_POINTS)]
    return points_picture(x, y, title="x and y shuffled apart"), best_line(x, y)[1]


ORDERS = {
    "shuffled": "The tutorial's split: both sets are spread over all x.",
    "sorted by x": "The last 20 of sorted rows are the 20 largest x. Nothing on the "
    "left is validated, and nothing on the right is trained.",
    "as they came": "Here x was drawn at random, so this does no harm. Rows of a file "
    "are mostly in some order; then it does.",
    "seeded again": "np.random.seed(42) once more, before the shuffle: also a fair "
    "split, but another one. Numbers can no longer be compared with the tutorial's.",
}
"""Orders of the rows before the first 80 are taken, and what each means."""


def split_rows(order: str = "shuffled") -> tuple[Array, Array]:
    """Give the numbers of the rows to train and to validate with.

    >>> split_rows()[0][:5]
    array([76, 83, 80, 98,  2])
    """
    x, _ = make_points()
    numbers = np.arange(NUM_POINTS)
    if order == "shuffled":
        numbers = torch.cat(line_rows()).numpy()
    elif order == "sorted by x":
        numbers = np.argsort(x.ravel())
    elif order == "seeded again":
        np.random.RandomState(42).shuffle(numbers)
    return numbers[:NUM_TRAIN], numbers[NUM_TRAIN:]


def split_pictures(order: str) -> tuple[str, str]:
    """Draw the points of both sets, in two pictures with the same axes."""
    x, y = make_points()

    def picture(name: str, colour: str, chosen: Array) -> str:
        title = f"{name}: {len(chosen)} points"
        chart = plane(Chart, title, (0.5, 3.5), width=390)
        chosen_x, chosen_y = (part[chosen].ravel().tolist() for part in (x, y))
        return chart.points(chosen_x, chosen_y, colour=colour).svg()

    train, val = split_rows(order)
    return picture("train", "blue", train), picture("validate", "orange", val)


def shape_of(dims: int) -> tuple[int, ...]:
    """Give an example of a shape with ``dims`` dimensions.

    >>> shape_of(0), shape_of(3)
    ((), (2, 3, 4))
    """
    return {0: (), 1: (4,), 2: (3, 4), 3: (2, 3, 4), 4: (2, 2, 3, 4)}[dims]


def shape_picture(dims: int) -> str:
    """Draw a tensor with ``dims`` dimensions: a box for each of its numbers.

    >>> shape_picture(3).count("<rect")
    24
    """
    shape = shape_of(dims)
    depth, high, wide = (1, 1, 1, *shape)[-3:]
    lots = math.prod(shape[:-3])
    size, parts = 30, []
    # The layers behind come first, so that those in front lie over them.
    for lot, layer, row, column in itertools.product(
        range(lots), reversed(range(depth)), range(high), range(wide)
    ):
        x = 8 + lot * (wide * size + 60) + 14 * layer + column * size
        y = 30 + 14 * (depth - 1 - layer) + row * size
        parts.append(
            f'<rect x="{x}" y="{y}" width="{size - 3}" height="{size - 3}" rx="3" '
            f'fill="#3b82f6" fill-opacity="{0.75 if layer == 0 else 0.3}" '
            'stroke="#3b82f6"/>'
        )
    width = max(260, 30 + lots * (wide * size + 60))
    height = 40 + high * size + 14 * depth
    title = f"{WORDS[dims]}, shape {shape}"
    return framed("".join(parts), width, height, title, left=8, top=16)


def num_updates(num_rows: int, batch_size: int) -> int:
    """Count the updates of an epoch.

    >>> num_updates(80, 80), num_updates(80, 16), num_updates(80, 1)
    (1, 5, 80)
    """
    return math.ceil(num_rows / batch_size)


def epoch_picture(num_rows: int, batch_size: int) -> str:
    """Draw the rows of an epoch; each colour is one batch.

    >>> epoch_picture(80, 16).count("<rect")
    80
    """
    colours = [CYCLE[row // batch_size % len(CYCLE)] for row in range(num_rows)]
    updates = num_updates(num_rows, batch_size)
    title = f"one epoch: {updates} update{'' if updates == 1 else 's'}"
    lines = numbered(colours, 16, after="")
    return cells(lines, title=title, width=26, height=22, left=34)


def nothing_trained(epochs: int = 1000) -> str:
    """Train with batches larger than the data and ``drop_last``: nothing is trained.

    >>> nothing_trained(3)
    '3 epochs, 0 updates: a is still 0.0'
    """
    loader = DataLoader(TensorDataset(*rows()), batch_size=100, drop_last=True)
    a = updates = 0.0
    for _ in range(epochs):
        for _, y in loader:
            a, updates = a + 0.1 * float(y.mean() - a), updates + 1
    return f"{epochs:,} epochs, {updates:g} updates: a is still {a}"
