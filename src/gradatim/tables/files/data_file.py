"""What every file format answers: the names of its columns, and the columns."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from gradatim.errors import FileReadError
from gradatim.tables.files.column_source import ColumnSource, rows_by_number
from gradatim.tables.files.reading import Reading

__all__ = ["MISSING_VALUES", "DataFile", "Names", "Types", "damaged"]

MISSING_VALUES = (
    *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND"),
    *("1.#QNAN", "<NA>", "N/A", "NA", "NULL", "NaN", "NaT", "None", "n/a"),
    *("nan", "null"),
)
"""The texts that stand for a missing value, in columns of every type.

Source: the list of ``pandas.read_csv``, with ``NaT``.
"""

Names = Sequence[str]
"""Names of columns."""
Types = Mapping[str, Any]
"""Columns' names and their ``pa.DataType``; pyarrow ships no annotations."""


class DataFile(ABC):
    """A file with a table in it, opened: its column names have been read and checked.

    Raises:
        FileReadError: The file is damaged, has no rows, or has columns without a name
            of their own. Every method raises it where more of the file is damaged.
    """

    suffixes: ClassVar[tuple[str, ...]]
    """How the names of such files end."""
    may_be_packed: ClassVar[bool] = False
    """Whether one of ``packing.PACKED_SUFFIXES`` may stand behind the suffix."""
    options: ClassVar[frozenset[str]] = frozenset()
    """The fields of ``Reading`` that mean something for this format."""
    written_suffixes: ClassVar[tuple[str, ...]] = ()
    """Those of the suffixes with which predictions are written in this format."""

    path: Path
    names: tuple[str, ...]
    """The names of the columns, in the order of the file."""
    notes: tuple[str, ...] = ()
    """What of the file is no part of the table, for people."""

    @abstractmethod
    def __init__(self, path: Path, missing: Sequence[str], reading: Reading) -> None:
        """Read the names, and nothing that takes long.

        The file exists, and has one of the suffixes. Where all values are text, those
        of ``missing`` stand for a missing value.
        """

    @abstractmethod
    def read(
        self, types: Types | None = None, columns: Names | None = None
    ) -> pa.Table:
        """Read the file into an Arrow table.

        Args:
            types: The ``pa.DataType`` of columns by name. Text is read strictly with
                them; without them types are inferred over the whole file. A format
                that has types of its own keeps them.
            columns: Names of those to read, in this order; all of them if None.
        """

    @abstractmethod
    def source(
        self, types: Types | None = None, *, doubles: Names = (), texts: Names = ()
    ) -> ColumnSource:
        """Give the columns one by one; of a text file with ``types`` no others.

        Doubles of a text file come as float32, but for the columns called ``doubles``.
        Where ``types`` is None, they do so only if that loses no differences, and the
        columns ``texts`` of a text file come as they are written there.
        """

    @abstractmethod
    def batches(
        self, types: Types, columns: Names | None = None, *, batch_rows: int = 65_536
    ) -> Iterator[pa.RecordBatch]:
        """Read at most ``batch_rows`` at a time, as ``read`` with ``types`` does.

        The memory that it takes does not grow with the file.
        """

    def where(self, rows: Sequence[int]) -> list[str]:
        """Say where some rows stand, which are counted from 0 and rise."""
        return rows_by_number(rows)

    @staticmethod
    def writer(file: Any, schema: pa.Schema) -> Any:
        """Give what writes tables into an open file: ``write(table)`` and ``close()``.

        Only a format with ``written_suffixes`` needs it.
        """
        raise NotImplementedError


def damaged(path: Path, kind: str, error: Exception) -> FileReadError:
    """Make the error of a file that its own library cannot read.

    Args:
        path: The file.
        kind: The name of its format, for people: ``"ORC"``.
        error: What the library has raised.
    """
    return FileReadError(
        f"{path} cannot be read as {kind}: {error}\n"
        "A part of it is missing or was changed after it was written.\n"
        "Write or copy the file again."
    )
