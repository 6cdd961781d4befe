"""What a model gave for many batches, joined along the rows."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch import Tensor

from gradatim.nested import concat_rows, tensors_of

__all__ = ["is_ragged", "joined"]


def joined(batches: Sequence[Any]) -> Any:
    """Join the outputs of batches, which have one structure.

    Tensors are joined along dim 0. Where they differ in another dimension, because each
    batch is padded to its own longest row, or where a model gives a list with an entry
    a row, as detectors do, the result is a list with an entry a row.

    >>> import torch
    >>> joined([torch.zeros(2, 3), torch.ones(1, 3)]).shape
    torch.Size([3, 3])
    >>> [row.shape for row in joined([torch.zeros(2, 3), torch.ones(1, 4)])]
    [torch.Size([3]), torch.Size([3]), torch.Size([4])]
    """
    first = batches[0]
    if isinstance(first, tuple):
        columns = [joined(column) for column in zip(*batches, strict=True)]
        return type(first)(*columns) if hasattr(first, "_fields") else tuple(columns)
    if isinstance(first, Mapping):
        return {key: joined([batch[key] for batch in batches]) for key in first}
    if isinstance(first, Tensor):
        return _rows(batches) if is_ragged(batches) else concat_rows(batches)
    if isinstance(first, list) and _has_entry_a_row(batches):
        return _rows(batches)
    return concat_rows(batches)


def is_ragged(tensors: Iterable[Tensor]) -> bool:
    """Tell whether tensors differ in a dimension other than the first."""
    return len({tuple(tensor.shape[1:]) for tensor in tensors}) > 1


def _rows(batches: Iterable[Any]) -> list[Any]:
    return [row for batch in batches for row in batch]


def _has_entry_a_row(batches: Sequence[list[Any]]) -> bool:
    """Tell a list of rows from a list of several outputs for the whole batch.

    Entries that are dicts or texts are rows. So are tensors where batches have
    different numbers of them.
    """
    entries = _rows(batches)
    if not all(isinstance(entry, Tensor) for entry in entries):
        return next(tensors_of(entries), None) is None or any(
            isinstance(entry, Mapping) for entry in entries
        )
    return len({len(batch) for batch in batches}) > 1
