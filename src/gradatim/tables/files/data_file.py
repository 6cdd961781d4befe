"""What every file format answers: the names of its columns, and the columns.

A format is one file beside this one with a subclass of ``DataFile``, and its entry in
``formats.FORMATS``.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from gradatim.tables.files.column_source import ColumnSource

__all__ = ["DataFile", "Names", "Types"]

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
    """How the names of such files end; the suffix says how a file is read."""
    packed_suffix: ClassVar[str] = ""
    """What may stand behind these suffixes where the file is packed."""
    written_suffixes: ClassVar[tuple[str, ...]] = ()
    """Those of the suffixes with which predictions are written in this format."""

    path: Path
    names: tuple[str, ...]
    """The names of the columns, in the order of the file."""

    @abstractmethod
    def __init__(self, path: Path, missing: Sequence[str]) -> None:
        """Read the names, and nothing that takes long.

        Args:
            path: The file; it exists, and has one of the suffixes.
            missing: Texts that stand for a missing value, where all values are text.
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
        self, types: Types | None = None, *, doubles: Names = ()
    ) -> ColumnSource:
        """Give the columns one by one.

        Doubles of a text file come as float32. Where ``types`` is None, they do so only
        if that loses no differences.

        Args:
            types: As for ``read``; of a text file no other columns are read.
            doubles: Names of columns that stay doubles.
        """

    @abstractmethod
    def batches(
        self, types: Types, columns: Names | None = None, *, batch_rows: int = 65_536
    ) -> Iterator[pa.RecordBatch]:
        """Read batch by batch, in memory that does not grow with the file.

        Args:
            types: The ``pa.DataType`` of every column that is read from text.
            columns: As for ``read``.
            batch_rows: Rows of a batch, at most.
        """

    @staticmethod
    def writer(file: Any, schema: pa.Schema) -> Any:
        """Give what writes tables of one schema into an open file.

        Only a format with ``written_suffixes`` needs it. What it gives has the methods
        ``write(table)`` and ``close()``.
        """
        raise NotImplementedError
