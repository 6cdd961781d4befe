"""The columns of a data frame, text file or Parquet file, to be taken one by one.

Each column is taken once, so that its memory is free again before the next is used.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from gradatim.errors import DataError
from gradatim.tables.files.column_names import check_names

__all__ = ["ColumnSource"]


@dataclass(frozen=True, slots=True)
class ColumnSource:
    """The columns of a table, to be taken one by one."""

    names: tuple[str, ...]
    num_rows: int
    take: Callable[[str], pa.ChunkedArray]
    """Gives the column of a name. Each column can be taken only once."""

    @classmethod
    def of_table(cls, table: pa.Table) -> "ColumnSource":
        """Take columns from a table in memory."""
        columns = dict(zip(table.column_names, table.columns, strict=True))
        return cls(tuple(columns), table.num_rows, columns.pop)

    @classmethod
    def of_frame(cls, frame: Any) -> "ColumnSource":
        """Take columns from a table of pandas, polars, pyarrow or others.

        Args:
            frame: An object with ``__arrow_c_stream__``.

        Raises:
            FileReadError: Column names are empty or repeated.
            DataError: The object is no table, or its library cannot give its columns.
        """
        if not hasattr(frame, "__arrow_c_stream__"):
            raise DataError(
                f"A table cannot be read from a {type(frame).__name__}.\n"
                "It has to say what its columns are.\n"
                "Give a path, or a table of pandas, polars or pyarrow."
            )
        if not isinstance(frame, pa.Table):
            try:
                frame = pa.RecordBatchReader.from_stream(frame).read_all()
            except (pa.ArrowException, ValueError, TypeError) as error:
                raise DataError(
                    f"The data frame cannot be read: {error}\n"
                    "Each column needs one type, and a name of its own.\n"
                    "Convert mixed columns first, for example with astype(str) or "
                    "astype(float)."
                ) from error
        check_names("The data frame", frame.column_names)
        return cls.of_table(frame)
