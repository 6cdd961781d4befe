"""A split into points to train and points to validate."""

from typing import Any

import numpy as np

from gradatim.course.exercise import expect, expect_tuple

TEXT = """
Write `split(x, y, num_train, random)`: shuffle the row numbers with
`random.shuffle(rows)`, then return `x_train, y_train, x_val, y_val`. `random` is a
`np.random.RandomState`. x and y stay as they are.
"""
STUB = """
import numpy as np

def split(x, y, num_train, random):
    rows = np.arange(len(x))
    ...
"""
HINT = (
    "`rows[:num_train]` and `rows[num_train:]` are the two sets. Index x and y by them."
)
SOLUTION = """
import numpy as np

def split(x, y, num_train, random):
    rows = np.arange(len(x))
    random.shuffle(rows)
    train, val = rows[:num_train], rows[num_train:]
    return x[train], y[train], x[val], y[val]
"""
PRAISE = (
    "With 80 and the generator that made the data, these are the tutorial's two sets."
)
MUTANTS = r"""
not shuffled: random.shuffle(rows) =>
x and y apart: return x[train] => random.shuffle(x)\n    return x[train]
a row in both: rows[num_train:] => rows[num_train - 1:]
one left out: rows[num_train:] => rows[num_train + 1:]
the sets swapped: x[train], y[train], x[val], y[val => x[val], y[val], x[train], y[train
x, x, y, y: x[train], y[train], x[val], y[val] => x[train], x[val], y[train], y[val]
80 for any number:
  num_train] => 80]
  num_train:] => 80:]
the global generator: random.shuffle => np.random.seed(42); np.random.shuffle
and the global generator, too: random.shuffle => np.random.seed(42)\n    random.shuffle
y not shuffled:
  y[train] => y[:num_train]
  y[val] => y[num_train:]
"""


def check(split: Any) -> None:
    """Let y be made of x, so that pairs can be told; count rows."""
    before = np.random.get_state(legacy=False)
    try:
        for size, num_train in ((10, 7), (100, 80)):
            _try_size(split, size, num_train)
        after = np.random.get_state(legacy=False)
        expect(
            str(after) == str(before),
            "NumPy's global generator was moved: draw from `random` alone.",
        )
    finally:
        np.random.set_state(before)


def _try_size(split: Any, size: int, num_train: int) -> None:
    x = np.arange(float(size)).reshape(size, 1)
    y = 1000 + x
    answer = split(x, y, num_train, np.random.RandomState(3))
    four = "Four arrays are to come back: x_train, y_train, x_val, y_val."
    expect_tuple(answer, 4, four)
    case = f"Of {size} rows, {num_train} to train:"
    parts: list[Any] = [np.asarray(part) for part in answer]
    lengths = [len(part) for part in parts]
    right = [num_train, num_train, size - num_train, size - num_train]
    expect(lengths == right, f"{case} the lengths are {lengths}; {right} is right.")
    for name, one, other in (("train", *parts[:2]), ("val", *parts[2:])):
        expect(
            one.shape == (len(one), 1) and other.shape == one.shape,
            f"{case} the shapes of {name} are {one.shape} and {other.shape}.",
        )
        expect(
            bool((other == one + 1000).all()),
            f"{case} in {name} the rows of y are not those of x: pairs are lost.",
        )
    used = sorted(np.concatenate([parts[0], parts[2]]).ravel().tolist())
    expect(used == list(range(size)), f"{case} not every row is used exactly once.")
    expect(
        bool((x.ravel() == np.arange(size)).all() and (y == x + 1000).all()),
        f"{case} x or y was changed in place.",
    )
    rows = np.arange(size)
    np.random.RandomState(3).shuffle(rows)
    expect(
        parts[0].ravel().tolist() == rows[:num_train].tolist(),
        f"{case} these are not the rows that `random.shuffle(rows)` puts first.",
    )
