"""Which kind of data is given: the protocol that it follows decides."""

import types
from collections.abc import Iterable, Mapping, Sequence, Sized
from typing import Any

import numpy as np
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from gradatim.data.in_memory import are_numbers, is_frame
from gradatim.errors import DataError

__all__ = [
    "is_in_memory",
    "is_list_of_batches",
    "is_loader",
    "is_map_style",
    "refuse_iterator",
]


def is_in_memory(data: Any) -> bool:
    """Tell what becomes tensors as a whole: arrays, frames, and parts made of them."""
    if isinstance(data, (Tensor, np.ndarray, Mapping, tuple)) or is_frame(data):
        return True
    if not isinstance(data, list):
        return False
    return are_numbers(data) or any(
        isinstance(part, (Tensor, np.ndarray)) or is_frame(part) for part in data
    )


def is_list_of_batches(data: Any) -> bool:
    """Tell ``[(x, y), (x, y)]``, batches made by hand, from ``(x, y)``.

    A list of rows, whose targets are single numbers, is a data set; a list of lists of
    numbers is a tensor.
    """
    return (
        isinstance(data, Sequence)
        and not isinstance(data, (tuple, str))
        and len(data) > 0
        and not are_numbers(data)
        and not _is_row(data[0])
        and all(isinstance(batch, (tuple, list, Mapping)) for batch in data)
    )


def _is_row(entry: Any) -> bool:
    """Tell a row ``(x, y)`` with a single target from a batch of rows."""
    if not isinstance(entry, tuple) or len(entry) < 2:
        return False
    target = entry[-1]
    if isinstance(target, (Tensor, np.ndarray)):
        return target.ndim == 0
    return isinstance(target, (int, float, str, np.generic))


def is_map_style(data: Any) -> bool:
    """Tell a data set whose rows have numbers: ``len(data)`` and ``data[row]``."""
    if isinstance(data, (str, bytes, Mapping, tuple, nn.Module)):
        return False
    is_sized = isinstance(data, Sized) and hasattr(data, "__getitem__")
    return is_sized and not (isinstance(data, list) and not data)


def is_loader(data: Any) -> bool:
    """Tell what gives batches by itself, in an order of its own."""
    if isinstance(data, DataLoader) or is_list_of_batches(data):
        return True
    return (
        isinstance(data, Iterable)
        and not hasattr(data, "__getitem__")
        and not hasattr(data, "as_batch")  # a Table
        and not isinstance(data, (Dataset, Mapping))
    )


def refuse_iterator(data: Any) -> None:
    """Refuse what can be gone through once, such as a generator or a ``zip``.

    An object of the user's with ``__next__`` may well begin anew at each ``iter()``.
    """
    is_builtin = type(data).__module__ in ("builtins", "itertools", "_io")
    if isinstance(data, types.GeneratorType) or (
        is_builtin and hasattr(data, "__next__")
    ):
        raise DataError(
            f"the data are a {type(data).__name__}, which can be gone through once.\n"
            "The second epoch would find it empty.\n"
            "Give a list of the batches, or an object whose __iter__ begins anew; of "
            "rows, an IterableDataset."
        )
