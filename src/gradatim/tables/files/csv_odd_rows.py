"""Rows of a text file that are no rows of its table: a header again, or a total."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gradatim.errors import FileReadError
from gradatim.tables.files.arrow import array_of, numpy_of
from gradatim.tables.files.csv_dialect import Dialect
from gradatim.tables.files.csv_read import lines_of_rows

__all__ = ["refuse_odd_rows", "totals"]

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
    name = _first_of_texts(table)
    if name is not None and (row := _header_again(table, name)) is not None:
        (line,) = lines_of_rows(dialect, [row])
        raise FileReadError(
            f"{dialect.path}, line {line} repeats the header.\n"
            "Its words would stand among the values of every column.\n"
            "Delete the line, or leave such lines out: --skip-bad-lines."
        )
    for row, why in totals(table).items():
        (line,) = lines_of_rows(dialect, [row])
        raise FileReadError(
            f"{dialect.path}, line {line} {why}.\n"
            "As a row it would be learned from like the others.\n"
            "Delete the line, or leave such lines out: --skip-bad-lines."
        )


def totals(table: pa.Table) -> dict[int, str]:
    """Give the rows that sum up rows above them, and say what each is.

    A row sums up either all rows that are no totals, or those since the last total.
    """
    name = _first_of_texts(table)
    rows = [] if name is None else _rows_with(table[name], TOTALS)
    found: dict[int, str] = {}
    for row in rows if len(rows) <= MOST_ROWS else []:
        if column := _sums_up(table, row, list(found)):
            word = table[name][row].as_py()
            found[row] = (
                f"({word}) is a total: its {column!r} is the sum of the rows above"
            )
    return found


def _first_of_texts(table: pa.Table) -> str | None:
    for name in table.column_names:
        kind = table[name].type
        if pa.types.is_dictionary(kind) or pa.types.is_string(kind):
            return str(name)
    return None


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


def _sums_up(table: pa.Table, row: int, before: list[int]) -> str | None:
    """Give a column in which a row has a sum of rows above it, where totals stand."""
    after = before[-1] + 1 if before else 0
    if row - len(before) < 2:
        return None
    for name in table.column_names:
        values = table[name]
        if not (pa.types.is_integer(values.type) or pa.types.is_floating(values.type)):
            continue
        value, above = values[row].as_py(), pc.sum(values.slice(0, row)).as_py()
        since = pc.sum(values.slice(after, row - after)).as_py()
        since = since if row - after > 1 else None  # one row is no sum
        of_totals = sum(values[other].as_py() or 0 for other in before)
        for total in ((above or 0) - of_totals, since):
            if value and total and abs(value - total) <= NEAR * abs(total):
                return str(name)
    return None
