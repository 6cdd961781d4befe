"""A look at a few rows of data, without beginning an epoch."""

from collections.abc import Sized
from functools import partial
from itertools import islice
from typing import Any

from torch import Tensor
from torch.utils.data import default_collate

from gradatim.data.batches import Batches
from gradatim.data.sources.dataset import DatasetSource
from gradatim.data.sources.loader import BatchListSource, LoaderSource
from gradatim.data.sources.tensors import TensorSource
from gradatim.nested import map_tensors, slice_rows
from gradatim.rng import keeping_rng

__all__ = ["peek"]

MAX_ROWS = 32
"""Enough for a metric that needs some rows, and nothing beside an epoch."""


def peek(batches: Batches, *, num_rows: int = MAX_ROWS) -> list[Any]:
    """Give up to two small batches of the first rows; none where a look costs rows.

    A stream would be read, and a loader of one's own may draw what it likes: of these
    there is nothing. What a data set draws from the global generators is put back.

    >>> import torch
    >>> peek(Batches(torch.arange(5), shuffle=True), num_rows=2)
    [tensor([0, 1]), tensor([2, 3])]
    """
    with keeping_rng():
        found = _small_batches(batches, num_rows)
        return [batches.as_parts(batches.send(batch)) for batch in found]


def _small_batches(batches: Batches, num_rows: int) -> list[Any]:
    source = batches.source
    if isinstance(source, TensorSource):
        data, starts = source.data, _starts(source.num_rows or 0, num_rows)
        if source.rows is None:
            return [slice_rows(data, start, start + num_rows) for start in starts]
        chosen = [source.rows[start : start + num_rows] for start in starts]
        return [map_tensors(partial(_rows_of, rows), data) for rows in chosen]
    if isinstance(source, DatasetSource):
        collate = source.options.collate_fn or default_collate
        size = min(num_rows, source.options.batch_size)
        return _collated(source.data, collate, size)
    if type(source) is LoaderSource:
        loader = source.data
        if loader.batch_size is None or not hasattr(loader.dataset, "__getitem__"):
            return []
        size = min(num_rows, loader.batch_size)
        return _collated(loader.dataset, loader.collate_fn, size)
    if type(source) is BatchListSource:
        return list(islice(source.data, 2))
    return []


def _rows_of(rows: Tensor, tensor: Tensor) -> Tensor:
    return tensor[rows]


def _collated(data: Any, collate: Any, num_rows: int) -> list[Any]:
    total = len(data) if isinstance(data, Sized) else 0
    return [
        collate([data[row] for row in range(start, min(start + num_rows, total))])
        for start in _starts(total, num_rows)
    ]


def _starts(total: int, num_rows: int) -> range:
    return range(0, min(total, 2 * num_rows), num_rows)
