"""Map-style data sets, read here or by worker processes."""

import random
import signal
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, default_collate

from gradatim.data.options import BatchOptions
from gradatim.data.order import epoch_generator, mixed_seed
from gradatim.data.sources.numbered import NumberedSource
from gradatim.data.sources.source import tell_epoch
from gradatim.data.why_inexact import dataset_why_inexact

__all__ = ["DatasetSource", "as_it_is", "ignore_ctrl_c", "seed_all"]


class DatasetSource(NumberedSource):
    """A map-style data set: asked for whole batches where it can give them.

    It is what has a length and gives its rows by their numbers, with ``Dataset`` as its
    base or not.
    """

    def __init__(self, data: Any, options: BatchOptions) -> None:
        super().__init__(data, options, len(data))

    def why_inexact(self) -> list[str]:
        own = [self.data, self.options.collate_fn]
        reasons = [reason for value in own for reason in dataset_why_inexact(value)]
        return reasons + super().why_inexact()

    def epoch(self, epoch: int, start: int) -> Iterator[Any]:
        tell_epoch(self.data, epoch)
        options, fetch = self.options, Fetch(self.data, self.options.collate_fn)
        numbered = enumerate(self._indices(epoch, start), start)
        batches: Iterable[Any] = (fetch(rows) for _, rows in numbered)
        if options.num_workers:
            batches = DataLoader(
                _SeededBatches(fetch, options.seed, epoch),
                sampler=numbered,
                batch_size=None,
                num_workers=options.num_workers,
                # Without one of its own, the loader would draw from the global RNG.
                generator=epoch_generator(options.seed, epoch),
                collate_fn=as_it_is,
                worker_init_fn=ignore_ctrl_c,
                pin_memory=options.is_cuda,
            )
        for batch in batches:
            yield self.send(batch)

    def _indices(self, epoch: int, start: int) -> Iterator[list[int]]:
        """Give the row numbers of each batch, from batch ``start`` on."""
        for rows in self.row_numbers(epoch, start):
            if isinstance(rows, slice):
                yield list(range(rows.start, rows.stop))
            else:
                yield rows.tolist()


@dataclass(frozen=True)
class Fetch:
    """Fetches the rows of a batch, and puts them together."""

    data: Any
    collate_fn: Callable[[list[Any]], Any] | None

    def __call__(self, indices: list[int]) -> Any:
        fetch_many = getattr(self.data, "__getitems__", None)
        if fetch_many is not None:
            rows = fetch_many(indices)
        else:
            rows = [self.data[index] for index in indices]
        return (self.collate_fn or default_collate)(rows)


@dataclass(frozen=True)
class _SeededBatches(Dataset[Any]):
    """A data set of whole batches, for workers.

    What its rows draw is a function of (seed, epoch, batch): the same for any number of
    workers, and wherever the epoch is resumed.
    """

    fetch: Fetch
    seed: int
    epoch: int

    def __getitem__(self, item: tuple[int, list[int]]) -> Any:
        number, indices = item
        seed_all(self.seed, self.epoch, number)
        return self.fetch(indices)


def as_it_is(batch: Any) -> Any:
    """Leave a batch as it is: the ``collate_fn`` of a loader over whole batches."""
    return batch


def ignore_ctrl_c(worker: int) -> None:
    """Leave Ctrl-C, which reaches every process of a terminal, to the training."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def seed_all(*numbers: int) -> None:
    """Seed every global generator of a worker by a few numbers."""
    seed = mixed_seed(*numbers)
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % (1 << 32))
