"""The columns of a data frame, text file or Parquet file, to be taken one by one.

Each column needs a name of its own, as it is asked for by it. It is taken once, so that
its memory is free again before the next is used.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa

from gradatim.errors import FileReadError
from gradatim.text import listed, nearest_name

__all__ = ["ColumnSource", "check_names", "check_present", "rows_by_number"]


def rows_by_number(rows: Sequence[int]) -> list[str]:
    """Name rows by their numbers, which people count from 1.

    >>> rows_by_number([0, 41])
    ['row 1', 'row 42']
    """
    return [f"row {row + 1:,}" for row in rows]


@dataclass(frozen=True, slots=True)
class ColumnSource:
    """The columns of a table, to be taken one by one."""

    names: tuple[str, ...]
    num_rows: int
    take: Callable[[str], pa.ChunkedArray]
    """Gives the column of a name. Each column can be taken only once."""
    where: Callable[[Sequence[int]], list[str]] = rows_by_number
    """Says where rows stand, which are counted from 0: ``line 3`` or ``row 2``."""
    notes: tuple[str, ...] = ()
    """What of the file is no part of the table, for people."""
    decimal_commas: bool = False
    """Whether commas may be decimal marks, and points stand between thousands: in files
    with semicolons between columns."""
    read_commas: Mapping[str, str] = field(default_factory=dict)
    """Columns with decimal commas that became doubles while they were read, with an
    example each."""
    doubtful: Mapping[str, str] = field(default_factory=dict)
    """Values such as ``1.234``, read as a decimal, that may be thousands: one of each
    column of numbers all of whose values may be so."""

    categories: frozenset[str] = frozenset()
    """Columns of numbers whose type in a data frame says that they are categories."""

    @classmethod
    def of_table(cls, table: pa.Table) -> "ColumnSource":
        """Take columns from a table in memory."""
        columns = dict(zip(table.column_names, table.columns, strict=True))
        return cls(tuple(columns), table.num_rows, columns.pop)

    def keeping(self, names: Sequence[str]) -> "ColumnSource":
        """Let some columns be taken more than once; they stay in memory meanwhile."""
        kept: dict[str, pa.ChunkedArray] = {}

        def take(name: str) -> pa.ChunkedArray:
            if name not in names:
                return self.take(name)
            if name not in kept:
                kept[name] = self.take(name)
            return kept[name]

        return replace(self, take=take)


def check_names(where: str, names: Sequence[str]) -> None:
    """Raise a ``FileReadError`` where a column has no name, or none of its own."""
    empty = [place for place, name in enumerate(names, 1) if not name.strip()]
    if empty:
        raise FileReadError(
            f"{where}: column {empty[0]} of {len(names)} has no name.\n"
            "Columns are matched by name; this one could never be found again.\n"
            "Name it, or leave it out (pandas: to_csv(..., index=False))."
        )
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise FileReadError(
            f"{where}: more than one column is named {listed(repeated)}.\n"
            "Columns are matched by name; either could be meant.\n"
            "Give each column a name of its own."
        )


def check_present(path: Path, names: Sequence[str], columns: Sequence[str]) -> None:
    """Raise a ``FileReadError`` with the nearest name where a file lacks a column."""
    for column in columns:
        if column not in names:
            raise FileReadError(
                f"{path} has no column {column!r}.{nearest_name(column, names)}\n"
                f"Its columns are {listed(names, most=20)}.\n"
                "Name one of these, or add the column to the file."
            )
