"""Batches of any shape: tensors inside tuples, lists and dicts.

A batch is one tensor or a tuple, list or dict of batches; rows lie along dim 0.
``rows.py`` tells how many rows it has.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, unpack_sequence

__all__ = [
    "as_tensors",
    "concat_rows",
    "entries_of",
    "map_tensors",
    "rebuild",
    "slice_rows",
    "tensors_of",
]


def map_tensors(function: Callable[[Tensor], Any], batch: Any) -> Any:
    """Apply ``function`` to every tensor of ``batch``; leave anything else as it is.

    Of a ``PackedSequence`` the data and the indices go through it; the sizes of its
    batches stay on the CPU, where PyTorch reads them.

    >>> map_tensors(lambda t: t.shape, {"x": torch.zeros(2, 3), "name": "line"})
    {'x': torch.Size([2, 3]), 'name': 'line'}
    """
    if isinstance(batch, Tensor):
        return function(batch)
    if isinstance(batch, PackedSequence):
        indices = (batch.sorted_indices, batch.unsorted_indices)
        moved = (None if t is None else function(t) for t in indices)
        return PackedSequence(function(batch.data), batch.batch_sizes, *moved)
    return rebuild(batch, (map_tensors(function, part) for part in entries_of(batch)))


def entries_of(batch: Any) -> Collection[Any]:
    """Give the entries of a dict, tuple or list; nothing of anything else."""
    if isinstance(batch, (tuple, list)):  # first: Mapping is an abstract class, slower
        return batch
    return batch.values() if isinstance(batch, Mapping) else ()


def rebuild(like: Any, parts: Iterable[Any]) -> Any:
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
        array = np.ascontiguousarray(batch)
        # A tensor could be written to, and torch warns where the array must not be.
        tensor = torch.from_numpy(array if array.flags.writeable else array.copy())
        is_double = tensor.dtype == torch.float64
        return tensor.to(torch.get_default_dtype()) if is_double else tensor
    return rebuild(batch, map(as_tensors, entries_of(batch)))


def tensors_of(batch: Any) -> Iterator[Tensor]:
    """Go through the tensors of ``batch``, in order."""
    if isinstance(batch, Tensor):
        yield batch
    elif isinstance(batch, PackedSequence):  # its other tensors are numbers of rows
        yield batch.data
    else:
        for part in entries_of(batch):
            yield from tensors_of(part)


def slice_rows(batch: Any, start: int, stop: int) -> Any:
    """Take the rows from ``start`` to before ``stop``, without a copy.

    >>> slice_rows({"x": torch.arange(5)}, 3, 9)
    {'x': tensor([3, 4])}
    """
    return map_tensors(lambda t: t[start:stop], batch)


def concat_rows(batches: Sequence[Any]) -> Any:
    """Join batches of one structure along dim 0; 0-dim tensors are stacked.

    What ``PackedSequence`` hold becomes a list of their sequences.

    >>> concat_rows([(torch.zeros(2),), (torch.ones(1),)])
    (tensor([0., 0., 1.]),)
    """
    first = batches[0]
    if isinstance(first, Tensor):
        return (torch.cat if first.dim() else torch.stack)(list(batches))
    if isinstance(first, PackedSequence):
        return [row for packed in batches for row in unpack_sequence(packed)]
    if isinstance(first, Mapping):
        return {key: concat_rows([b[key] for b in batches]) for key in first}
    if isinstance(first, (tuple, list)):
        columns = list(zip(*batches, strict=True))
        return rebuild(first, map(concat_rows, columns))
    return list(batches)
