"""Formats that are read whole: what they have in common."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from gradatim.errors import FileReadError
from gradatim.tables.files.column_source import ColumnSource, check_names, check_present
from gradatim.tables.files.data_file import DataFile, Names, Types
from gradatim.tables.files.expansion import check_expansion, most_bytes
from gradatim.tables.files.reading import Reading
from gradatim.text import listed

__all__ = ["WholeFile", "check_num_rows"]

LEAST_BYTES = 1 << 28
"""What every file may take in memory, however small it is, as of Parquet."""
VALUE_BYTES = 4
"""What a value takes at least when it is used: those of the model are float32."""


class WholeFile(DataFile):
    """A file whose table is in memory as long as it is open.

    Its columns have types of their own, and keep them, as those of Parquet do.
    """

    def __init__(self, path: Path, missing: Sequence[str], reading: Reading) -> None:
        self.path, self.reading = path, reading
        self._table = self.load()
        self.names = tuple(self._table.column_names)
        check_names(str(path), self.names)
        if self._table.num_rows == 0:
            raise FileReadError(
                f"{path} has columns ({listed(self.names)}) and no rows.\n"
                "There is nothing to read.\n"
                "Check that the program that wrote it has finished."
            )

    @abstractmethod
    def load(self) -> pa.Table:
        """Read the whole file; its names and number of rows are checked afterwards."""

    def read(
        self, types: Types | None = None, columns: Names | None = None
    ) -> pa.Table:
        """Give columns as they are."""
        check_present(self.path, self.names, columns or ())
        return self._table.select(list(self.names if columns is None else columns))

    def source(
        self, types: Types | None = None, *, doubles: Names = (), texts: Names = ()
    ) -> ColumnSource:
        """Give the columns as they are: their types are compared when they are used."""
        columns = self._table.column
        return ColumnSource(self.names, self._table.num_rows, columns, self.where)

    def batches(
        self, types: Types, columns: Names | None = None, *, batch_rows: int = 65_536
    ) -> Iterator[pa.RecordBatch]:
        """Give slices of the columns."""
        table = self.read(types, columns).combine_chunks()
        yield from table.to_batches(max_chunksize=batch_rows)


def check_num_rows(path: Path, num_rows: int, num_columns: int) -> None:
    """Refuse more rows than a file of this size has: columns may take no bytes."""
    num_bytes = num_rows * max(num_columns, 1) * VALUE_BYTES
    check_expansion(path, num_bytes, most_bytes(path, least=LEAST_BYTES))
