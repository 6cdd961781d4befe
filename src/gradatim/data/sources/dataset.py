"""Map-style data sets, read here or by worker processes."""

import random
from collections.abc import Iterable, Iterator, Sized
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, default_collate

from gradatim.data.options import BatchOptions
from gradatim.data.order import epoch_generator, epoch_order, mixed_seed
from gradatim.data.sources.source import Source, check_num_rows, tell_epoch
from gradatim.data.why_inexact import dataset_why_inexact

__all__ = ["DatasetSource"]


class DatasetSource(Source):
    """A map-style ``Dataset``: asked for whole batches where it can give them."""

    def __init__(self, data: Dataset[Any], options: BatchOptions) -> None:
        super().__init__(data, options)
        assert isinstance(data, Sized)
        self.num_rows = len(data)
        check_num_rows(self.num_rows, options)

    def why_inexact(self) -> list[str]:
        return dataset_why_inexact(self.data)

    def epoch(self, epoch: int, start: int) -> Iterator[Any]:
        tell_epoch(self.data, epoch)
        numbered = list(enumerate(self._indices(epoch)))[start:]
        batches: Iterable[Any] = (_fetch(self.data, rows) for _, rows in numbered)
        if self.options.num_workers:
            batches = DataLoader(
                _SeededBatches(self.data, self.options.seed, epoch),
                sampler=numbered,
                batch_size=None,
                num_workers=self.options.num_workers,
                # Without one of its own, the loader would draw from the global RNG.
                generator=epoch_generator(self.options.seed, epoch),
                collate_fn=_as_it_is,
                pin_memory=self.options.is_cuda,
            )
        for batch in batches:
            yield self.send(batch)

    def _indices(self, epoch: int) -> list[list[int]]:
        options, total = self.options, self.num_rows or 0
        if options.shuffle:
            order = epoch_order(total, seed=options.seed, epoch=epoch).tolist()
        else:
            order = list(range(total))
        size = options.batch_size
        starts = range(0, self.num_batches() * size, size)
        return [order[start : start + size] for start in starts]


def _fetch(data: Any, indices: list[int]) -> Any:
    fetch_many = getattr(data, "__getitems__", None)
    if fetch_many is not None:
        return default_collate(fetch_many(indices))
    return default_collate([data[index] for index in indices])


@dataclass(frozen=True)
class _SeededBatches(Dataset[Any]):
    """A data set of whole batches, for workers.

    What its rows draw is a function of (seed, epoch, batch): the same for any number of
    workers, and wherever the epoch is resumed.
    """

    data: Dataset[Any]
    seed: int
    epoch: int

    def __getitem__(self, item: tuple[int, list[int]]) -> Any:
        number, indices = item
        seed = mixed_seed(self.seed, self.epoch, number)
        torch.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed % (1 << 32))
        return _fetch(self.data, indices)


def _as_it_is(batch: Any) -> Any:
    return batch
