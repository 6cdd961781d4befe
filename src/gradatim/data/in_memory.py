"""Data that lie in memory as tensors: arrays, data frames, lists of numbers.

pandas and polars are known by the names of their types; neither is imported.
"""

import numbers
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gradatim.errors import DataError
from gradatim.nested import as_tensors, entries_of, rebuild
from gradatim.rows import rows_or_none

__all__ = ["are_numbers", "is_frame", "is_single", "tensors_from"]

FRAMES = {"pandas", "polars"}
"""The packages whose frames and series become tensors."""

MAX_COLUMNS_NAMED = 10
"""A message names at most this many columns. Chosen by hand, not measured."""


def tensors_from(data: Any) -> Any:
    """Turn arrays, frames, series and lists of numbers inside ``data`` into tensors.

    A list of arrays or tensors with an entry a row becomes one tensor too. float64
    becomes PyTorch's default dtype, as NumPy and Python know no other default.

    Raises:
        DataError: Something there has text in it, or rows of different shapes.

    >>> tensors_from(([[1.0, 2.0], [3.0, 4.0]], [0, 1]))
    (tensor([[1., 2.],
            [3., 4.]]), tensor([0, 1]))
    """
    data = _converted(data)
    rows = rows_or_none(data)
    if rows is None or not isinstance(data, (tuple, list, Mapping)):
        return data
    return rebuild(data, (_stacked(part, rows) for part in entries_of(data)))


def is_frame(value: Any) -> bool:
    """Tell a data frame or a series of pandas or polars."""
    package = type(value).__module__.partition(".")[0]
    return package in FRAMES and hasattr(value, "to_numpy")


def are_numbers(value: Any) -> bool:
    """Tell a list of numbers, or of lists of them, by the first of each."""
    while isinstance(value, list) and value:
        value = value[0]
        if isinstance(value, numbers.Number):
            return True
    return False


def is_single(value: Any) -> bool:
    """Tell what is one block of rows, as ``x`` or ``y`` alone."""
    is_array = isinstance(value, (Tensor, np.ndarray))
    return is_array or is_frame(value) or are_numbers(value)


def _converted(data: Any) -> Any:
    if is_frame(data):
        return _from_frame(data)
    if isinstance(data, np.ndarray):
        return _from_array(data)
    if are_numbers(data):
        return _from_list(data)
    return rebuild(data, map(_converted, entries_of(data)))


def _from_array(array: np.ndarray) -> Tensor:
    if array.dtype.kind not in "biufc":
        raise DataError(
            f"an array of shape {array.shape} has the dtype {array.dtype}.\n"
            "A network computes with numbers alone.\n"
            "Make numbers of it, for example codes of its categories; "
            "gradatim.data.read_table does so with the columns of a table."
        )
    tensor: Tensor = as_tensors(array)
    return tensor


def _from_list(values: list[Any]) -> Tensor:
    try:
        array = np.asarray(values)
    except ValueError as error:  # rows of different lengths
        raise DataError(
            f"a list of {len(values)} entries is no block of numbers: {error}.\n"
            "Rows of one tensor have one shape.\n"
            "Pad them, or give a data set whose collate_fn= pads each batch."
        ) from error
    return _from_array(array)


def _from_frame(frame: Any) -> Tensor:
    """Turn a frame or series into the tensor that its ``to_numpy()`` would be."""
    without_numbers = [
        f"{name!r} ({dtype})" for name, dtype in _columns_of(frame) if _is_text(dtype)
    ]
    if without_numbers:
        named = without_numbers[:MAX_COLUMNS_NAMED]
        if len(without_numbers) > len(named):
            named.append(f"{len(without_numbers) - len(named)} more")
        raise DataError(
            f"a {type(frame).__name__} has columns without numbers: "
            f"{', '.join(named)}.\n"
            "A network computes with numbers alone.\n"
            "Leave them out or encode them; gradatim.data.read_table(frame, "
            "target=...) encodes texts, categories and times by itself."
        )
    array = frame.to_numpy()
    if array.dtype.kind == "O":  # numbers of different types, or some are missing
        try:
            array = array.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise DataError(
                f"a {type(frame).__name__} has values that are no numbers: {error}.\n"
                "Nothing can be computed from a value that is missing.\n"
                "Fill in or leave out these rows first."
            ) from error
    return _from_array(array)


def _columns_of(frame: Any) -> list[tuple[Any, Any]]:
    if hasattr(frame, "columns"):
        return list(zip(frame.columns, frame.dtypes, strict=True))
    return [(frame.name, frame.dtype)]


def _is_text(dtype: Any) -> bool:
    """Tell a column of texts, categories or times from one of numbers."""
    is_numeric = getattr(dtype, "is_numeric", None)
    if callable(is_numeric):  # a type of polars
        return not (is_numeric() or str(dtype) in ("Boolean", "Null"))
    return getattr(dtype, "kind", "O") not in "biufc"


def _stacked(part: Any, rows: int) -> Any:
    """Make one tensor of a list of tensors, where the list has an entry a row."""
    if isinstance(part, Mapping):
        return rebuild(part, (_stacked(value, rows) for value in part.values()))
    if not isinstance(part, (tuple, list)) or len(part) != rows or not part:
        return part
    if not all(isinstance(row, Tensor) for row in part):
        return part
    shapes = list(dict.fromkeys(tuple(row.shape) for row in part))
    if len(shapes) == 1 and shapes[0][:1] != (rows,):
        return torch.stack(list(part))
    if len(shapes) > 1 and any(shape[:1] != (rows,) for shape in shapes):
        raise DataError(
            f"a list of {rows} rows holds tensors of shapes "
            f"{', '.join(map(str, shapes[:3]))} and so on.\n"
            "Rows of one tensor have one shape.\n"
            "Pad them, or give a data set whose collate_fn= pads each batch."
        )
    return part
