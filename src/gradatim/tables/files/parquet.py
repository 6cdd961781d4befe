"""Parquet files to Arrow columns.

A Parquet file has types of its own, and keeps them; ``values_to_codes.typed`` compares
them with a schema's. Text is read as dictionaries: such files mostly hold it so.
"""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from gradatim.errors import FileReadError
from gradatim.tables.files.column_source import ColumnSource, check_names, check_present
from gradatim.tables.files.data_file import DataFile, Names, Types
from gradatim.text import listed

__all__ = ["ParquetFile"]


class ParquetFile(DataFile):
    """A Parquet file; each column is read when it is taken."""

    suffixes = (".parquet", ".pq")
    written_suffixes = suffixes

    def __init__(self, path: Path, missing: Sequence[str]) -> None:
        import pyarrow.parquet as pq  # 0.1 s that reading text need not wait for

        self.path = path
        with self._damage_explained():
            schema, text_types = pq.read_schema(path), (pa.string(), pa.large_string())
            texts = [field.name for field in schema if field.type in text_types]
            self._file = pq.ParquetFile(
                path, read_dictionary=texts, page_checksum_verification=True
            )
            self.names = tuple(schema.names)  # fails where one is no UTF-8
        check_names(str(path), self.names)
        if self._file.metadata.num_rows == 0:
            raise FileReadError(
                f"{path} has columns ({listed(self.names)}) and no rows.\n"
                "There is nothing to read.\n"
                "Check that the program that wrote it has finished."
            )

    def read(
        self, types: Types | None = None, columns: Names | None = None
    ) -> pa.Table:
        """Read the columns with the types that they have."""
        names = self._checked(columns)
        with self._damage_explained():
            return self._file.read(columns=names).select(names)

    def source(
        self, types: Types | None = None, *, doubles: Names = ()
    ) -> ColumnSource:
        """Give the columns as they are: their types are compared when they are used."""

        def take(name: str) -> pa.ChunkedArray:
            with self._damage_explained():
                return self._file.read(columns=[name]).column(name)

        return ColumnSource(self.names, self._file.metadata.num_rows, take)

    def batches(
        self, types: Types, columns: Names | None = None, *, batch_rows: int = 65_536
    ) -> Iterator[pa.RecordBatch]:
        """Read the columns batch by batch."""
        names = self._checked(columns)
        with self._damage_explained():
            for batch in self._file.iter_batches(batch_size=batch_rows, columns=names):
                yield batch.select(names)

    @staticmethod
    def writer(file: Any, schema: pa.Schema) -> Any:
        """Write Parquet as pyarrow does by default."""
        import pyarrow.parquet as pq

        return pq.ParquetWriter(file, schema)

    def _checked(self, columns: Names | None) -> list[str]:
        check_present(self.path, self.names, columns or ())
        return list(self.names if columns is None else columns)

    @contextlib.contextmanager
    def _damage_explained(self) -> Iterator[None]:
        try:
            yield
        except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
            raise FileReadError(
                f"{self.path} cannot be read as Parquet: {error}\n"
                "A part of it is missing or was changed after it was written.\n"
                "Write or copy the file again."
            ) from error
