"""Delimited text: CSV, TSV and their kin, each also packed with gzip.

``csv_dialect`` finds out how a file is written, ``csv_types`` of which types its
columns are; ``csv_read`` reads with pyarrow, ``csv_records`` finds the line of damage.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv

from gradatim.tables.files.column_names import check_present
from gradatim.tables.files.column_source import ColumnSource
from gradatim.tables.files.csv_bytes import check_quotes
from gradatim.tables.files.csv_dialect import look_at
from gradatim.tables.files.csv_read import (
    check_damage,
    errors_with_lines,
    read_arrow,
    stream_arrow,
)
from gradatim.tables.files.csv_types import large_integers_as_text, read_inferred
from gradatim.tables.files.data_file import DataFile, Names, Types
from gradatim.tables.files.float32 import narrowed

__all__ = ["DelimitedFile"]

STREAM_BLOCK_BYTES = 1 << 23
"""What streaming holds at a time, and the largest row it can read; chosen by hand, not
measured."""


class DelimitedFile(DataFile):
    """A text file with a header, in UTF-8."""

    suffixes = (".csv", ".tsv", ".tab", ".txt")
    packed_suffix = ".gz"
    written_suffixes = (".csv",)

    def __init__(self, path: Path, missing: Sequence[str]) -> None:
        self.path = path
        self.dialect = look_at(path, missing)
        self.names = self.dialect.names

    def read(
        self, types: Types | None = None, columns: Names | None = None
    ) -> pa.Table:
        """Read; with types, a value that is none of its type is an error."""
        if columns is not None:
            check_present(self.path, self.names, columns)
        if types is None:
            table = read_inferred(self.dialect)
            return table if columns is None else table.select(list(columns))
        with errors_with_lines(self.dialect):
            table = read_arrow(self.dialect, types, columns)
        if columns is not None and len(columns) < len(self.names):
            check_quotes(self.path, self.dialect.separator)
        else:
            check_damage(self.dialect, table)
        return table

    def source(self, *, exact: Names = ()) -> ColumnSource:
        """Read all columns, and make their doubles float32 where that will do."""
        columns, num_rows = _taken_apart(
            read_inferred(self.dialect, leave_doubles=True)
        )

        def read_again(names: list[str]) -> pa.Table:
            doubles = self.read(dict.fromkeys(names, pa.float64()), names)
            return large_integers_as_text(self.dialect, doubles)

        narrow = [name for name in columns if name not in exact]
        return narrowed(columns, num_rows, names=narrow, read_again=read_again)

    def typed_source(self, types: Types, *, narrow: Names) -> ColumnSource:
        """Read the columns that have a type, and make doubles float32."""
        names = [name for name in self.names if name in types]
        columns, num_rows = _taken_apart(self.read(types, names))
        narrow = [name for name in narrow if name in columns]
        return narrowed(columns, num_rows, names=narrow, read_again=None)

    def batches(
        self, types: Types, columns: Names | None = None, *, batch_rows: int = 65_536
    ) -> Iterator[pa.RecordBatch]:
        """Read block by block; damaged quotes are found before the first."""
        if columns is not None:
            check_present(self.path, self.names, columns)
        check_quotes(self.path, self.dialect.separator)
        with errors_with_lines(self.dialect):
            for block in stream_arrow(
                self.dialect, types, columns, block_bytes=STREAM_BLOCK_BYTES
            ):
                for start in range(0, block.num_rows, batch_rows):
                    yield block.slice(start, batch_rows)

    @staticmethod
    def writer(file: Any, schema: pa.Schema) -> Any:
        """Write CSV with quotes around text and none around numbers."""
        options = pacsv.WriteOptions(quoting_style="needed")
        return pacsv.CSVWriter(file, schema, write_options=options)


def _taken_apart(table: pa.Table) -> tuple[dict[str, pa.ChunkedArray], int]:
    """Give the columns alone, so that no table holds on to them."""
    return dict(zip(table.column_names, table.columns, strict=True)), table.num_rows
