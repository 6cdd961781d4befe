"""The values of one column in Python as an Arrow array, as they would be in a file."""

from collections.abc import Iterable, Sequence
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from gradatim.errors import DataError
from gradatim.tables.files.arrow import NUMPY_TYPES, array_of
from gradatim.text import shown

__all__ = ["are_categories", "arrow_of_column", "is_of", "num_values"]

WRITTEN_SO = (str, bool, int, float, Decimal, date, time, timedelta)
"""Values of these kinds may stand beside each other, as texts do in a CSV file."""
NUMBERS = (int, float, Decimal)
ARROW_UNITS = {"Y": "D", "M": "D", "W": "D", "D": "D", "h": "s", "m": "s"}
"""The units of Arrow's times for coarse units of NumPy's."""
FINE_UNITS = ("s", "ms", "us", "ns")


def is_of(data: Any, library: str, name: str) -> bool:
    """Say whether data are of a class of a library, or of one derived from it."""
    return any(
        kind.__name__ == name and kind.__module__.partition(".")[0] == library
        for kind in type(data).__mro__
    )


def are_categories(values: Any) -> bool:
    """Say whether a series has numbers of which its type says that they are categories.

    Texts often are categories to save memory; they are read as other texts are.
    """
    dtype: Any = getattr(values, "dtype", None)
    is_category = type(dtype).__name__ == "CategoricalDtype"
    return is_category and bool(dtype.categories.dtype.kind in "iuf")


def num_values(name: str, values: Any) -> int:
    """Count the values of a column that stands in a dict.

    Raises:
        DataError: It is a single value, or has more than one axis.
    """
    shape = getattr(values, "shape", None)
    if shape is not None and len(shape) != 1:
        raise DataError(
            f"The column {name!r} has the shape {tuple(shape)}.\n"
            "A column has one value for each row.\n"
            "Give each of its columns a name of its own."
        )
    if isinstance(values, str | bytes) or not hasattr(values, "__len__"):
        raise DataError(
            f"The column {name!r} is {shown(values)}, a {type(values).__name__}.\n"
            "A column has one value for each row.\n"
            "Give a list or an array of them."
        )
    return len(values)


def arrow_of_column(name: str, values: Any) -> Any:
    """Make an Arrow array, or a chunked one, of the values of a column.

    Args:
        name: For messages.
        values: A series or an index of pandas, a series of polars, an Arrow, NumPy or
            torch array, or a sequence.

    Raises:
        DataError: Arrow has no type for them.

    >>> arrow_of_column("a", [1, "x", None]).to_pylist()
    ['1', 'x', None]
    """
    try:
        return _converted(values)
    except DataError:
        raise
    except Exception as error:  # of any library
        raise DataError(
            f"The column {name!r} cannot be read: {type(error).__name__}: {error}\n"
            "Each column needs values of one type that Arrow has.\n"
            "Convert it first, for example with astype(str) or astype(float), or leave "
            "it out of the table."
        ) from error


def _converted(values: Any) -> Any:
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return values
    if is_of(values, "polars", "Series"):
        return values.to_arrow()
    if is_of(values, "pandas", "Series") or is_of(values, "pandas", "Index"):
        return _of_pandas(values)
    if is_of(values, "torch", "Tensor"):
        values = values.detach().cpu().numpy()
    if not isinstance(values, np.ndarray) and hasattr(values, "__array__"):
        values = np.asarray(values)
    if isinstance(values, np.ndarray):
        return _of_numpy(values)
    return _of_objects(list(values))


def _of_pandas(series: Any) -> Any:
    """Convert a series or an index; each type of pandas as its CSV file has it."""
    kind = type(series.dtype).__name__
    if kind == "CategoricalDtype":
        return _of_categorical(getattr(series, "cat", series))
    if kind == "IntervalDtype":
        return pa.array(np.where(series.isna(), None, series.astype(str)), pa.string())
    if kind == "PeriodDtype":
        return pa.array(getattr(series, "dt", series).to_timestamp(), from_pandas=True)
    if kind == "SparseDtype":
        return _of_pandas(series.sparse.to_dense())
    if series.dtype == object:
        return _of_objects(series.tolist())
    if kind in ("Float128DType", "LongDoubleDType"):
        series = series.astype(np.float64)
    return pa.array(series, from_pandas=True)


def _of_categorical(categorical: Any) -> Any:
    """Keep texts as a dictionary; of other categories give each row its value."""
    codes = np.asarray(categorical.codes)
    places = pa.array(codes.astype(np.int32), mask=codes < 0)
    words = _of_pandas(categorical.categories)
    if isinstance(words, pa.ChunkedArray):
        words = words.combine_chunks()
    if pa.types.is_string(words.type) or pa.types.is_large_string(words.type):
        return pa.DictionaryArray.from_arrays(places, words.cast(pa.string()))
    return words.take(places)


def _of_numpy(values: npt.NDArray[Any]) -> Any:
    mask = np.ma.getmask(values)
    if mask is not np.ma.nomask:
        values = np.ma.getdata(values)
        return pa.array(_for_arrow(values), mask=np.broadcast_to(mask, values.shape))
    kind = values.dtype.kind
    if kind == "O":
        return _of_objects(values.tolist())
    values = _for_arrow(values)
    if values.dtype in NUMPY_TYPES.values():  # without pandas, which pa.array imports
        arrow = pa.from_numpy_dtype(values.dtype)
        return array_of(values, arrow)
    return pa.array(values)


def _for_arrow(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Give the values with a type and a byte order that Arrow has."""
    if not values.dtype.isnative:
        values = values.astype(values.dtype.newbyteorder("="))
    if values.dtype.kind == "f" and values.dtype.itemsize > 8:
        values = values.astype(np.float64)
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8")
    if values.dtype.kind in "mM":
        unit = np.datetime_data(values.dtype)[0]
        if unit not in FINE_UNITS:
            unit = ARROW_UNITS.get(unit, "s")
            unit = "s" if values.dtype.kind == "m" else unit
        values = values.astype(f"{values.dtype.kind}8[{unit}]")
    return values


def _of_objects(values: Sequence[Any]) -> Any:
    """Convert Python's own values; where kinds are mixed, to their texts."""
    values = [_simple(value) for value in values]
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, TypeError):
        kinds = _first_of_each_kind(values)
        if not all(issubclass(kind, WRITTEN_SO) for kind in kinds):
            raise
        if bool not in kinds and all(issubclass(kind, NUMBERS) for kind in kinds):
            return pa.array([v if v is None else float(v) for v in values])
        return pa.array([None if v is None else str(v) for v in values], pa.string())


def _simple(value: Any) -> Any:
    """Give a value of NumPy as Python's own, and None for one that is missing."""
    if isinstance(value, np.generic) and value.dtype.kind not in "mM":
        value = value.item()
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return None
    if isinstance(value, float) and value != value:
        return None
    return value


def _first_of_each_kind(values: Iterable[Any]) -> dict[type, Any]:
    """Give the first value of each kind but the missing ones."""
    kinds: dict[type, Any] = {}
    for value in values:
        if value is not None:
            kinds.setdefault(type(value), value)
    return kinds
