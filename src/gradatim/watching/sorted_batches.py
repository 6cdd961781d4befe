"""Follows whether batches are slices of rows that are sorted by their target."""

from dataclasses import dataclass

import torch
from torch import Tensor

from gradatim.watching.source_lines import SourceLine

__all__ = ["BatchOrder", "SortedBatches"]

FEWEST_ROWS = 8  # of a batch that is judged: chosen by hand, not measured
MOST_COLUMNS = 64  # of an input that is compared: chosen by hand, not measured


@dataclass(slots=True)
class SortedBatches:
    """Batches whose targets go up, or down, from each batch to the next."""

    num_batches: int = 0  # the number of batches of the first pass
    num_passes: int = 0  # how often all batches came again in this order
    low: float = 0.0
    high: float = 0.0
    width: float = 0.0  # the widest range of targets in one batch
    has_column: bool = False  # whether a column of the input is in order, too
    line: SourceLine | None = None


class BatchOrder:
    """Compares each batch with the one before, as long as they are in order."""

    def __init__(self) -> None:
        self.is_over = False
        """Whether a batch was out of order: nothing is looked at any more."""
        self.record = SortedBatches()
        self._first: tuple[Tensor, Tensor] | None = None
        self._last: tuple[Tensor, Tensor] | None = None
        self._up: Tensor | None = None
        self._down: Tensor | None = None

    def add(self, given: Tensor, target: Tensor) -> None:
        """Note a batch: the ranges of its target and of each column."""
        if not _fits(given, target):
            self.is_over = True
            return
        wide = torch.cat([target.reshape(len(target), 1), given], dim=1).double()
        low, high = wide.amin(dim=0), wide.amax(dim=0)
        if self._first is None or self._last is None:
            self._first = self._last = low, high
            self.record.low, self.record.high = float(low[0]), float(high[0])
            self._up = self._down = torch.ones_like(low, dtype=torch.bool)
            self.record.num_batches = 1
            return
        if len(low) != len(self._first[0]):
            self.is_over = True
        elif all(
            torch.equal(a, b) for a, b in zip(self._first, (low, high), strict=True)
        ):
            self.record.num_passes += 1
            self.is_over = self.record.num_batches < 2
        else:
            self._follow(low, high)
        self._last = low, high

    def _follow(self, low: Tensor, high: Tensor) -> None:
        assert self._last is not None and self._up is not None
        assert self._down is not None
        self._up = self._up & (low >= self._last[1])
        self._down = self._down & (high <= self._last[0])
        self.is_over = not bool(self._up[0] | self._down[0])
        record = self.record
        if not record.num_passes:
            record.num_batches += 1
            record.low = min(record.low, float(low[0]))
            record.high = max(record.high, float(high[0]))
            record.width = max(record.width, float(high[0] - low[0]))
        record.has_column = bool((self._up | self._down)[1:].any())


def _fits(given: Tensor, target: Tensor) -> bool:
    if given.dim() != 2 or not 0 < given.size(1) <= MOST_COLUMNS:
        return False
    if target.numel() != len(given) or len(given) < FEWEST_ROWS:
        return False
    if not target.is_floating_point() or not given.is_floating_point():
        return False
    return bool(target.isfinite().all()) and bool((target != target.round()).any())
