"""Between Arrow, NumPy and Python, without a detour through pandas.

``pa.array``, ``pa.scalar`` and ``to_numpy`` import pandas wherever it is installed, to
see whether it is involved. That takes 0.4 s, a third of the time for reading a million
rows. The functions here work on Arrow's buffers, which need no pandas.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["SHARED_TEXT", "array_of", "for_arrow", "numpy_of", "scalar", "type_words"]

SHARED_TEXT = pa.dictionary(pa.int32(), pa.string())
"""The type of text whose values repeat: each different string is held once."""

NUMBERS = ("int8", "int16", "int32", "int64", "uint8", "uint32", "float32", "float64")
NUMPY_TYPES = {str(pa.from_numpy_dtype(name)): np.dtype(name) for name in NUMBERS}
"""The NumPy type of each Arrow type of numbers."""

TYPE_WORDS = (
    (r"double|float|halffloat|decimal.*", "a number"),
    (r"u?int\d+", "a whole number"),
    (r"bool", "true or false"),
    (r"string|large_string|dictionary<values=string.*", "text"),
    (r"date\d+\[.*\]", "a date (YYYY-MM-DD)"),
    (r"time\d+\[.*\]", "a time of day (HH:MM:SS)"),
    (
        r"timestamp\[\w+, tz=.*\]",
        "a date and time with a zone (YYYY-MM-DD HH:MM:SS+00:00)",
    ),
    (r"timestamp\[\w+\]", "a date and time without a zone (YYYY-MM-DD HH:MM:SS)"),
)
"""What the names of Arrow's types mean to people."""


def for_arrow(path: Path) -> Any:
    """Give what pyarrow opens: a path, or an open file where its name is no UTF-8.

    Linux allows any bytes in a name; pyarrow takes text alone.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return pa.OSFile(os.fsencode(path))
    return path


def type_words(name: str) -> str:
    """Say in words what a value of an Arrow type is, by the type's name.

    >>> type_words("int64"), type_words("timestamp[s]")
    ('a whole number', 'a date and time without a zone (YYYY-MM-DD HH:MM:SS)')
    """
    found = (words for pattern, words in TYPE_WORDS if re.fullmatch(pattern, name))
    return next(found, f"a value of type {name}")


def array_of(values: Sequence[Any] | npt.NDArray[Any], kind: Any) -> pa.Array:
    """Make an Arrow array of strings, numbers or booleans, none of them missing.

    >>> array_of(["a", "bc"], pa.string()).to_pylist()
    ['a', 'bc']
    """
    if pa.types.is_string(kind):
        encoded = [value.encode() for value in values]
        ends = np.cumsum([0, *map(len, encoded)], dtype=np.int32)
        buffers = [None, pa.py_buffer(ends), pa.py_buffer(b"".join(encoded))]
        return pa.Array.from_buffers(kind, len(encoded), buffers)
    if pa.types.is_boolean(kind):
        return array_of(np.asarray(values, dtype=np.uint8), pa.uint8()).cast(kind)
    numbers = np.ascontiguousarray(values, dtype=NUMPY_TYPES[str(kind)])
    return pa.Array.from_buffers(kind, len(numbers), [None, pa.py_buffer(numbers)])


def scalar(value: Any, kind: Any) -> Any:
    """Make an Arrow scalar; None makes the missing value.

    >>> scalar(3, pa.int64()), scalar(None, pa.string())
    (<pyarrow.Int64Scalar: 3>, <pyarrow.StringScalar: None>)
    """
    return pa.nulls(1, kind)[0] if value is None else array_of([value], kind)[0]


def numpy_of(values: pa.Array) -> npt.NDArray[Any]:
    """Give numbers or booleans to NumPy, without a copy where none is missing.

    Missing numbers are NaN, which makes integers floats; missing booleans are false.

    >>> numpy_of(pa.array([1, None]))
    array([ 1., nan])
    """
    if pa.types.is_boolean(values.type):
        flags = values.cast(pa.uint8()).fill_null(scalar(0, pa.uint8()))
        return numpy_of(flags).astype(bool)
    if values.null_count:
        if not pa.types.is_floating(values.type):
            values = values.cast(pa.float64(), safe=False)
        values = pc.fill_null(values, scalar(np.nan, values.type))
    dtype = NUMPY_TYPES[str(values.type)]
    if len(values) == 0:
        return np.empty(0, dtype)
    start = values.offset * dtype.itemsize
    return np.frombuffer(values.buffers()[1], dtype, len(values), start)
