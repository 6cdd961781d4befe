"""Data sets that can only be gone through: their own order, cut as it comes."""

import itertools
from collections.abc import Iterable, Iterator, Sized
from dataclasses import dataclass
from typing import Any

from torch.utils.data import DataLoader, IterableDataset, default_collate

from gradatim.data.options import BatchOptions
from gradatim.data.order import epoch_generator
from gradatim.data.sources.dataset import as_it_is, ignore_ctrl_c, seed_all
from gradatim.data.sources.loader import refuse_options
from gradatim.data.sources.source import Source, tell_epoch
from gradatim.data.why_inexact import iterable_why_inexact
from gradatim.rng import keeping_rng
from gradatim.torch_private import hide_worker

__all__ = ["IterableSource"]


class IterableSource(Source):
    """An ``IterableDataset``: its own order, cut into batches as it comes."""

    def __init__(self, data: IterableDataset[Any], options: BatchOptions) -> None:
        super().__init__(data, options)
        refuse_options(data, [n for n in options.for_rows() if n != "collate_fn"])
        self.num_rows = len(data) if isinstance(data, Sized) else None
        self._exhausted = False
        self._loaded: Any = None

    def why_inexact(self) -> list[str]:
        options = self.options
        return iterable_why_inexact(self.data, options.num_workers, options.collate_fn)

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
        options = self.options
        if options.num_workers:
            batches: Iterable[Any] = DataLoader(
                _EveryNth(self.data, options, epoch, start),
                batch_size=None,
                num_workers=options.num_workers,
                generator=epoch_generator(options.seed, epoch),
                collate_fn=as_it_is,
                worker_init_fn=ignore_ctrl_c,
                pin_memory=options.is_cuda,
            )
        else:
            collate = options.collate_fn or default_collate
            rows = self._noting_the_end(_cut(self.data, options))
            batches = map(collate, itertools.islice(rows, start, None))
        for batch in batches:
            yield self.send(batch)

    def _noting_the_end(self, batches: Iterator[list[Any]]) -> Iterator[list[Any]]:
        for batch in batches:
            # A short batch met the end, where the data set may reset its own count.
            self._exhausted = len(batch) < self.options.batch_size
            if not (self._exhausted and self.options.drop_last):
                yield batch


def _cut(data: Any, options: BatchOptions) -> Iterator[list[Any]]:
    """Cut the rows into batches; rows are fetched when their batch is asked for."""
    size, rows = options.batch_size, iter(data)
    while batch := list(itertools.islice(rows, size)):
        yield batch
        if len(batch) < size:
            return


@dataclass(frozen=True)
class _EveryNth(IterableDataset[Any]):
    """The batches of one stream that fall to the worker at hand.

    Every worker goes through the whole stream, and puts together every n-th batch of
    it. The loader takes a batch from each worker in turn, so the batches come once, in
    the order of a single process. That needs the same stream in all of them: what it
    draws comes from generators that are seeded alike, and it is not told that it is in
    a worker, where it may leave out rows by itself.
    """

    data: IterableDataset[Any]
    options: BatchOptions
    epoch: int
    start: int
    """So many batches are left out."""

    def __iter__(self) -> Iterator[Any]:
        options = self.options
        worker, num_workers = hide_worker()
        seed_all(options.seed, self.epoch)
        numbered = enumerate(_cut(self.data, options), -self.start)
        for number, rows in numbered:
            is_left_out = options.drop_last and len(rows) < options.batch_size
            if number < 0 or number % num_workers != worker or is_left_out:
                continue
            if options.collate_fn is None:
                yield default_collate(rows)
                continue
            # What one worker alone draws must not move what all of them draw.
            with keeping_rng():
                seed_all(options.seed, self.epoch, number + self.start)
                batch = options.collate_fn(rows)
            yield batch
