"""Rows of a text file that are no rows of its table: a header again, or a total."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gradatim.errors import FileReadError
from gradatim.tables.files.arrow import array_of, numpy_of
from gradatim.tables.files.csv_dialect import Dialect
from gradatim.tables.files.csv_read import lines_of_rows

__all__ = ["refuse_odd_rows"]

WORDS = ("total", "totals", "grand total", "sum", "summe", "gesamt", "subtotal")
TOTALS = (*WORDS, *map(str.upper, WORDS), *map(str.capitalize, WORDS), "Grand Total")
"""Words that begin a row which sums up the rows above it."""
NEAR = 1e-6
"""A total may differ by this share: it may have been rounded."""
MOST_ROWS = 20
"""So many rows that may be totals are looked at; more are a category."""


def refuse_odd_rows(dialect: Dialect, table: pa.Table) -> None:
    """Refuse a file in which a row repeats the header, or sums up others.

    Only the first column of texts is searched: a repeated header makes texts of all
    columns, and a total is named in front.

    Raises:
        FileReadError: With the line.
    """
    for name in table.column_names:
        kind = table[name].type
        is_shared = pa.types.is_dictionary(kind)
        if is_shared or pa.types.is_string(kind):
            break
    else:
        return
    values = table[name]
    if (row := _header_again(table, name)) is not None:
        (line,) = lines_of_rows(dialect, [row])
        raise FileReadError(
            f"{dialect.path}, line {line} repeats the header.\n"
            "Its words would stand among the values of every column.\n"
            "Delete the line; files put one behind the other may have more of them."
        )
    rows = _rows_with(values, TOTALS)
    for row in rows if len(rows) <= MOST_ROWS else []:
        if total := _sums_up(table, int(row)):
            (line,) = lines_of_rows(dialect, [int(row)])
            raise FileReadError(
                f"{dialect.path}, line {line} ({values[int(row)].as_py()}) is a total: "
                f"its {total!r} is the sum of the rows above.\n"
                "As a row it would be learned from like the others.\n"
                "Delete the line."
            )


def _rows_with(values: pa.ChunkedArray, words: tuple[str, ...]) -> list[int]:
    """Give the rows that have one of some words, quickly where there is none."""
    wanted, found, start = array_of(words, pa.string()), [], 0
    for chunk in values.chunks:
        texts = chunk.dictionary if pa.types.is_dictionary(chunk.type) else chunk
        is_one = pc.is_in(texts, value_set=wanted)
        if pc.any(is_one).as_py():
            if texts is not chunk:
                is_one = is_one.take(chunk.indices)
            found += [start + int(row) for row in np.flatnonzero(numpy_of(is_one))]
        start += len(chunk)
    return found


def _header_again(table: pa.Table, name: str) -> int | None:
    """Give the first row in which all values are the names of their columns."""
    for row in _rows_with(table[name], (name,))[:MOST_ROWS]:
        values = (str(table[each][row].as_py()) for each in table.column_names)
        if all(a == b for a, b in zip(values, table.column_names, strict=True)):
            return row
    return None


def _sums_up(table: pa.Table, row: int) -> str | None:
    """Give a column in which a row has the sum of all rows above it."""
    if row < 2:
        return None
    for name in table.column_names:
        values = table[name]
        if not (pa.types.is_integer(values.type) or pa.types.is_floating(values.type)):
            continue
        value, total = values[row].as_py(), pc.sum(values.slice(0, row)).as_py()
        if value and total and abs(value - total) <= NEAR * abs(total):
            return name
    return None
