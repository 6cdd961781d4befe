"""Batches of any shape: tensors inside tuples, lists and dicts.

A batch is one tensor or a tuple, list or dict of batches; rows lie along dim 0.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gradatim.errors import DataError

__all__ = [
    "as_tensors",
    "concat_rows",
    "map_tensors",
    "num_rows",
    "parts_of",
    "slice_rows",
    "split_rows",
    "tensors_of",
]


def map_tensors(function: Callable[[Tensor], Any], batch: Any) -> Any:
    """Apply ``function`` to every tensor of ``batch``; leave anything else as it is.

    >>> map_tensors(lambda t: t.shape, {"x": torch.zeros(2, 3), "name": "line"})
    {'x': torch.Size([2, 3]), 'name': 'line'}
    """
    if isinstance(batch, Tensor):
        return function(batch)
    return _rebuild(batch, (map_tensors(function, part) for part in _parts(batch)))


def _parts(batch: Any) -> Collection[Any]:
    """Give the parts of a dict, tuple or list; nothing of anything else."""
    if isinstance(batch, Mapping):
        return batch.values()
    return batch if isinstance(batch, (tuple, list)) else ()


def _rebuild(like: Any, parts: Iterable[Any]) -> Any:
    """Make a collection of the kind of ``like``; give ``like`` back if it is none."""
    if isinstance(like, Mapping):
        return dict(zip(like, parts, strict=True))
    if isinstance(like, tuple) and hasattr(like, "_fields"):  # a named tuple
        return type(like)(*parts)
    return type(like)(parts) if isinstance(like, (tuple, list)) else like


def as_tensors(batch: Any) -> Any:
    """Turn the NumPy arrays of ``batch`` into tensors; leave anything else as it is.

    float64 becomes PyTorch's default dtype, as NumPy knows no other default.

    >>> as_tensors((np.zeros(2), np.zeros(2, dtype=np.int64)))
    (tensor([0., 0.]), tensor([0, 0]))
    """
    if isinstance(batch, np.ndarray):
        tensor = torch.from_numpy(np.ascontiguousarray(batch))
        is_double = tensor.dtype == torch.float64
        return tensor.to(torch.get_default_dtype()) if is_double else tensor
    return _rebuild(batch, map(as_tensors, _parts(batch)))


def tensors_of(batch: Any) -> Iterator[Tensor]:
    """Go through the tensors of ``batch``, in order."""
    if isinstance(batch, Tensor):
        yield batch
    for part in _parts(batch):
        yield from tensors_of(part)


def num_rows(batch: Any) -> int:
    """Count the rows of ``batch``: the length of its first tensor.

    Raises:
        DataError: The batch holds no tensor, or a first one without a dimension.

    >>> num_rows((torch.zeros(16, 1), torch.zeros(16)))
    16
    """
    first = batch[0] if isinstance(batch, (tuple, list)) and batch else batch
    # Every step counts its rows, so the usual pair of tensors needs no generator.
    for tensor in (first,) if isinstance(first, Tensor) else tensors_of(batch):
        if tensor.dim() == 0:
            break
        return tensor.size(0)
    raise DataError(
        f"a batch of type {type(batch).__name__} holds no tensor with rows.\n"
        "Its size decides how much its loss weighs in the epoch's mean.\n"
        "Give tensors whose first dimension counts the samples, alone or in a tuple, "
        "list or dict."
    )


def parts_of(batch: Any) -> Any:
    """Give ``batch`` itself if it is a tuple or list, else a tuple of it alone.

    So ``step(*parts_of(batch))`` calls a step with any batch.
    """
    return batch if isinstance(batch, (tuple, list)) else (batch,)


def slice_rows(batch: Any, start: int, stop: int) -> Any:
    """Take the rows from ``start`` to before ``stop``, without a copy.

    >>> slice_rows({"x": torch.arange(5)}, 3, 9)
    {'x': tensor([3, 4])}
    """
    return map_tensors(lambda t: t[start:stop], batch)


def split_rows(batch: Any, num_parts: int) -> list[Any]:
    """Cut ``batch`` into at most ``num_parts`` parts whose sizes differ by one row.

    Fewer rows than parts give one part a row; no part is empty. A list of anything
    else, such as texts, is cut too where it has an entry a row.

    Raises:
        DataError: The tensors of the batch have different numbers of rows.

    >>> [len(part["x"]) for part in split_rows({"x": torch.zeros(7, 2)}, 3)]
    [3, 2, 2]
    """
    rows = num_rows(batch)
    for tensor in tensors_of(batch):
        if tensor.dim() == 0 or tensor.size(0) != rows:
            raise DataError(
                f"a batch has tensors of {rows} rows and of shape "
                f"{tuple(tensor.shape)}.\n"
                "It cannot be cut into microbatches that pair the same rows.\n"
                "Give every tensor of the batch the same first dimension."
            )
    num_parts = max(1, min(num_parts, rows))
    size, longer = divmod(rows, num_parts)
    edges = [index * size + min(index, longer) for index in range(num_parts + 1)]
    return [_cut(batch, start, stop, rows) for start, stop in pairwise(edges)]


def _cut(batch: Any, start: int, stop: int, rows: int) -> Any:
    if isinstance(batch, Tensor):
        return batch[start:stop]
    is_list = isinstance(batch, (tuple, list))
    if is_list and len(batch) == rows and next(tensors_of(batch), None) is None:
        return batch[start:stop]
    return _rebuild(batch, (_cut(part, start, stop, rows) for part in _parts(batch)))


def concat_rows(batches: Sequence[Any]) -> Any:
    """Join batches of one structure along dim 0; 0-dim tensors are stacked.

    >>> concat_rows([(torch.zeros(2),), (torch.ones(1),)])
    (tensor([0., 0., 1.]),)
    """
    first = batches[0]
    if isinstance(first, Tensor):
        return (torch.cat if first.dim() else torch.stack)(list(batches))
    if isinstance(first, Mapping):
        return {key: concat_rows([b[key] for b in batches]) for key in first}
    if isinstance(first, (tuple, list)):
        columns = list(zip(*batches, strict=True))
        return _rebuild(first, map(concat_rows, columns))
    return list(batches)
