"""Tables in Python as columns: frames of pandas, polars and others, dicts, records.

A column gets the values that it would have in a file. So the index of pandas is no
column; a period is the time at which it begins; an interval of ``pd.cut`` is its text,
``(0, 10]``; and a column that mixes texts and numbers is one of texts. Names that are
no text become such, as pandas writes them: ``1`` is ``"1"``, and ``("a", "x")`` is
``"('a', 'x')"``.

No library is imported for it: what is of pandas comes from a program that has it.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from gradatim.errors import DataError
from gradatim.tables.files.column_source import ColumnSource, check_names
from gradatim.tables.files.python_values import (
    are_categories,
    arrow_of_column,
    is_of,
    num_values,
)
from gradatim.text import shown

__all__ = ["column_name", "source_of_frame"]


def column_name(name: Hashable) -> str:
    """Write a column's name as text; what is no name becomes empty.

    >>> column_name("price"), column_name(1), column_name(("a", "x"))
    ('price', '1', "('a', 'x')")
    """
    if isinstance(name, tuple):
        parts = (p.item() if isinstance(p, np.generic) else p for p in name)
        return str(tuple(parts))
    if name is None or name != name:  # NaN
        return ""
    return str(name)


def source_of_frame(data: Any) -> ColumnSource:
    """Take the columns of a table that a program holds.

    Args:
        data: A table of pandas, polars or pyarrow, a relation of duckdb, or anything
            else with ``__arrow_c_stream__``; a dict of columns; a list of dicts; or a
            NumPy array whose fields have names.

    Raises:
        FileReadError: Column names are empty or repeated.
        DataError: The object is no table, or has columns that are none.

    >>> source = source_of_frame([{"a": 1, "b": "x"}, {"a": 2}])
    >>> source.names, source.take("b").to_pylist()
    (('a', 'b'), ['x', None])
    """
    if is_of(data, "polars", "LazyFrame"):
        data = _asked(data.collect, "The lazy frame")
    if is_of(data, "pandas", "DataFrame"):
        columns = enumerate(data.columns)
        pairs = [(name, _giver(data.iloc, place)) for place, name in columns]
        return _of_columns("The data frame", pairs, len(data))
    if is_of(data, "polars", "DataFrame"):
        pairs = [(name, _giver(data, name)) for name in data.columns]
        return _of_columns("The data frame", pairs, len(data))
    if isinstance(data, Mapping):
        return _of_arrays("The dict", data)
    if isinstance(data, np.ndarray) and data.dtype.names is not None:
        return _of_arrays("The array", {name: data[name] for name in data.dtype.names})
    if isinstance(data, list | tuple) and data:
        return _of_records(data)
    return _of_stream(data)


def _giver(data: Any, key: Any) -> Callable[[], Any]:
    """Give what takes one column of a frame: one of pandas by its place."""
    if hasattr(data, "get_column"):
        return lambda: data.get_column(key)
    return lambda: data[:, key]


def _of_columns(
    where: str, columns: Iterable[tuple[Hashable, Callable[[], Any]]], num_rows: int
) -> ColumnSource:
    """Make a source of columns that become Arrow's when they are taken."""
    pairs = [(column_name(name), give) for name, give in columns]
    check_names(where, [name for name, _ in pairs])
    givers = dict(pairs)

    def take(name: str) -> pa.ChunkedArray:
        values = arrow_of_column(name, givers.pop(name)())
        return (
            values
            if isinstance(values, pa.ChunkedArray)
            else pa.chunked_array([values])
        )

    categories = frozenset(name for name, give in pairs if are_categories(give()))
    return ColumnSource(tuple(givers), num_rows, take, categories=categories)


def _of_arrays(where: str, columns: Mapping[Any, Any]) -> ColumnSource:
    lengths = {
        name: num_values(column_name(name), values) for name, values in columns.items()
    }
    first = next(iter(lengths), None)
    for name, length in lengths.items():
        if length != lengths[first]:
            raise DataError(
                f"{where}: the column {first!r} has {lengths[first]:,} values, and "
                f"{name!r} {length:,}.\n"
                "Each row needs one of both.\nGive all columns the same length."
            )
    pairs = [(name, _constant(values)) for name, values in columns.items()]
    return _of_columns(where, pairs, lengths.get(first, 0))


def _constant(values: Any) -> Callable[[], Any]:
    return lambda: values


def _of_records(rows: Any) -> ColumnSource:
    """Take the columns of a list of dicts; what a row lacks is missing."""
    names: dict[Any, None] = {}
    for place, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise DataError(
                f"Row {place + 1} of the {type(rows).__name__} is {shown(row)}, a "
                f"{type(row).__name__}.\n"
                "It does not say which columns its values belong to.\n"
                "Give each row as a dict from names to values, or a dict of columns."
            )
        names.update(dict.fromkeys(row))
    columns = {name: [row.get(name) for row in rows] for name in names}
    return _of_arrays("The list", columns)


def _of_stream(data: Any) -> ColumnSource:
    """Read what gives an Arrow stream of rows."""
    is_series = any(is_of(data, library, "Series") for library in ("pandas", "polars"))
    if is_series or not hasattr(data, "__arrow_c_stream__"):
        shape = getattr(data, "shape", None)
        of_shape = "" if shape is None else f" of the shape {tuple(shape)}"
        raise DataError(
            f"A table cannot be read from a {type(data).__name__}{of_shape}.\n"
            "It has to say what its columns are.\n"
            "Give a path, a table of pandas, polars, pyarrow or duckdb, a dict of "
            "columns such as {'a': x[:, 0]}, or a list of dicts."
        )
    if not isinstance(data, pa.Table):
        stream = data

        def read() -> pa.Table:
            return pa.RecordBatchReader.from_stream(stream).read_all()

        data = _asked(read, "The data frame")
    check_names("The data frame", data.column_names)
    return ColumnSource.of_table(data)


def _asked(give: Callable[[], Any], what: str) -> Any:
    """Call another library, whose errors become ours."""
    try:
        return give()
    except Exception as error:
        raise DataError(
            f"{what} cannot be read: {type(error).__name__}: {error}\n"
            "Each column needs one type that Arrow has, and a name of its own.\n"
            "Convert such columns first, or leave them out."
        ) from error
