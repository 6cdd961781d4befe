"""Data sets that can only be gone through: their own order, cut as it comes."""

import itertools
from collections.abc import Iterable, Iterator, Sized
from typing import Any

from torch.utils.data import DataLoader, IterableDataset, default_collate

from gradatim.data.options import BatchOptions
from gradatim.data.order import epoch_generator
from gradatim.data.sources.source import Source, tell_epoch
from gradatim.data.why_inexact import iterable_why_inexact

__all__ = ["IterableSource"]


class IterableSource(Source):
    """An ``IterableDataset``: its own order, cut into batches as it comes."""

    def __init__(self, data: IterableDataset[Any], options: BatchOptions) -> None:
        super().__init__(data, options)
        self.num_rows = len(data) if isinstance(data, Sized) else None
        self._exhausted = False
        self._loaded: Any = None

    def why_inexact(self) -> list[str]:
        return iterable_why_inexact(self.data, self.options.num_workers)

    def state_dict(self) -> dict[str, Any]:
        if self.why_inexact():  # there is no state, or it cannot be reached
            return {}
        if self._loaded is not None:
            return self._loaded
        return {"dataset": self.data.state_dict(), "exhausted": self._exhausted}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if "dataset" in state:
            self._loaded = state

    def epoch(self, epoch: int, start: int) -> Iterator[Any]:
        loaded, self._loaded = self._loaded, None
        if loaded is not None and not start:  # as it was before it was told the epoch
            self.data.load_state_dict(loaded["dataset"])
        tell_epoch(self.data, epoch)
        if loaded is not None and start:  # the loaded state says where the data are
            self.data.load_state_dict(loaded["dataset"])
            start = 0
            if loaded["exhausted"]:
                self._exhausted = True
                return
        self._exhausted = False
        batches: Iterable[Any] = self._cut()
        if self.options.num_workers:
            batches = DataLoader(
                self.data,
                batch_size=self.options.batch_size,
                drop_last=self.options.drop_last,
                num_workers=self.options.num_workers,
                generator=epoch_generator(self.options.seed, epoch),
                pin_memory=self.options.is_cuda,
            )
        for batch in itertools.islice(batches, start, None):
            yield self.send(batch)

    def _cut(self) -> Iterator[Any]:
        """Cut the rows into batches; rows are fetched when their batch is asked for."""
        size, rows = self.options.batch_size, iter(self.data)
        while batch := list(itertools.islice(rows, size)):
            # A short batch met the end, where the data set may reset its own count.
            self._exhausted = len(batch) < size
            if not (self._exhausted and self.options.drop_last):
                yield default_collate(batch)
            if self._exhausted:
                return
