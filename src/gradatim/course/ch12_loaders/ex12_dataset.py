"""A data set whose rows are pairs of neighbours."""

from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from gradatim.course.exercise import expect, expect_tuple

TEXT = """
A series of numbers is given as a tensor. Write the data set `Next(series)`: its row
`i` is the pair of number `i` and the one after it. How many such pairs are there?
"""
STUB = """
from torch.utils.data import Dataset

class Next(Dataset):
    def __init__(self, series):
        self.series = series

    def __getitem__(self, index):
        return ...

    def __len__(self):
        return ...
"""
HINT = "The last number has none after it."
SOLUTION = """
from torch.utils.data import Dataset

class Next(Dataset):
    def __init__(self, series):
        self.series = series

    def __getitem__(self, index):
        return self.series[index], self.series[index + 1]

    def __len__(self):
        return len(self.series) - 1
"""
PRAISE = (
    "A loader can shuffle and batch it now. No pair was stored: it is made on demand."
)
MUTANTS = """
one too many: len(self.series) - 1 => len(self.series)
the same number twice: index + 1 => index
the one before: index + 1 => index - 1
the other way round:
  series[index], self.series[index + 1 => series[index + 1], self.series[index
pairs that do not overlap:
  series[index], self.series[i => series[2 * index], self.series[2 * i
  len(self.series) - 1 => len(self.series) // 2
the whole series: series[index], self.series[index + 1 => series[:-1], self.series[1:
no length: def __len__ => def size
"""


def check(make: Any) -> None:
    """Look at its length, its rows, and what a loader makes of it."""
    for size in (5, 8):
        series = torch.arange(float(size)) ** 2
        data = make(series)
        expect(isinstance(data, Dataset), "`Next(...)` is to be a `Dataset`.")
        expect(hasattr(data, "__len__"), "`len(...)` does not work: write `__len__`.")
        expect(
            len(data) == size - 1,
            f"{size} numbers have {size - 1} pairs of neighbours; `len` gives "
            f"{len(data)}.",
        )
        for index in range(size - 1):
            _compare(data[index], series, index)
        x, y = next(iter(DataLoader(data, batch_size=size)))
        expect(
            torch.equal(x, series[:-1]) and torch.equal(y, series[1:]),
            "A loader makes other batches of it than are right.",
        )


def _compare(row: Any, series: torch.Tensor, index: int) -> None:
    expect_tuple(row, 2, f"Row {index} is to be a tuple of two; it is {row!r}.")
    right = [series[index].item(), series[index + 1].item()]
    answer = [torch.as_tensor(part).flatten().tolist() for part in row]
    expect(
        answer == [[value] for value in right],
        f"Of the series {series.tolist()} row {index} is {right}; yours is {answer}.",
    )
