"""Delimited text: CSV, TSV and their kin, each also packed."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv

from gradatim.tables.files.column_source import ColumnSource, check_present
from gradatim.tables.files.csv_dialect import look_at
from gradatim.tables.files.csv_odd_rows import refuse_odd_rows
from gradatim.tables.files.csv_read import (
    check_damage,
    check_quotes,
    errors_with_lines,
    lines_of_rows,
    read_arrow,
    stream_arrow,
)
from gradatim.tables.files.csv_skipped import without_bad_lines
from gradatim.tables.files.csv_types import (
    large_integers_as_text,
    maybe_thousands,
    read_commas,
    read_inferred,
)
from gradatim.tables.files.data_file import DataFile, Names, Types
from gradatim.tables.files.float32 import narrowed
from gradatim.tables.files.reading import Reading

__all__ = ["DelimitedFile"]

STREAM_BLOCK_BYTES = 1 << 23
"""What streaming holds at a time, and the largest row it can read; chosen by hand, not
measured."""


class DelimitedFile(DataFile):
    """A text file with a header, in UTF-8."""

    suffixes = (".csv", ".tsv", ".tab", ".txt")
    may_be_packed = True
    written_suffixes = (".csv",)

    options = frozenset({"encoding", "no_header", "skip_bad_lines"})

    def __init__(self, path: Path, missing: Sequence[str], reading: Reading) -> None:
        self.path = path
        self.dialect = look_at(
            path, missing, reading.encoding, no_header=reading.no_header
        )
        if reading.skip_bad_lines:
            self.dialect = without_bad_lines(self.dialect)
        self.names, self.notes = self.dialect.columns, self.dialect.notes

    def read(
        self, types: Types | None = None, columns: Names | None = None
    ) -> pa.Table:
        """Read; with types, a value that is none of its type is an error."""
        check_present(self.path, self.names, columns or ())
        if types is None:
            table = read_inferred(self.dialect)
            refuse_odd_rows(self.dialect, table)
            return table if columns is None else table.select(list(columns))
        with errors_with_lines(self.dialect):
            table = read_arrow(
                self.dialect, types, columns, decimal=self._decimal(types)
            )
        check_damage(self.dialect, table)
        return table

    def source(
        self, types: Types | None = None, *, doubles: Names = (), texts: Names = ()
    ) -> ColumnSource:
        """Read all columns, or those with a type, and make their doubles float32."""
        doubtful: dict[str, str] = {}
        commas: Mapping[str, str] = {}
        if types is None:
            options: Any = {"leave_doubles": True, "texts": texts}
            with_commas = read_commas(self.dialect, **options)
            table = with_commas or read_inferred(self.dialect, **options)
            refuse_odd_rows(self.dialect, table)
            if with_commas is not None:
                commas = self.dialect.commas
            if self.dialect.separator == ";":
                doubtful = maybe_thousands(self.dialect, table, but=commas)
        else:
            table = self.read(types, [name for name in self.names if name in types])
        columns = dict(zip(table.column_names, table.columns, strict=True))
        num_rows = table.num_rows
        del table  # it would hold on to the columns

        def read_again(names: list[str]) -> pa.Table:
            again = self._doubles(names, commas)
            return large_integers_as_text(self.dialect, again)

        again = read_again if types is None else None
        source = narrowed(columns, num_rows, doubles=doubles, read_again=again)
        return replace(
            source,
            where=self.where,
            notes=self.notes,
            decimal_commas=self.dialect.separator == ";",
            doubtful=doubtful,
            read_commas=commas,
        )

    def batches(
        self, types: Types, columns: Names | None = None, *, batch_rows: int = 65_536
    ) -> Iterator[pa.RecordBatch]:
        """Read block by block; damaged quotes are found before the first."""
        check_present(self.path, self.names, columns or ())
        check_quotes(self.dialect)
        blocks = stream_arrow(
            self.dialect,
            types,
            columns,
            block_bytes=STREAM_BLOCK_BYTES,
            decimal=self._decimal(types),
        )
        with errors_with_lines(self.dialect):
            for block in blocks:
                for start in range(0, block.num_rows, batch_rows):
                    yield block.slice(start, batch_rows)

    def _doubles(self, names: list[str], commas: Collection[str]) -> pa.Table:
        """Read columns of doubles once more, each with its own decimal sign."""
        columns: dict[str, pa.ChunkedArray] = {}
        for decimal in (",", "."):
            some = [name for name in names if (name in commas) == (decimal == ",")]
            if some:
                types = dict.fromkeys(some, pa.float64())
                with errors_with_lines(self.dialect):
                    table = read_arrow(self.dialect, types, some, decimal=decimal)
                columns |= dict(zip(some, table.columns, strict=True))
        return pa.table(columns)

    def _decimal(self, types: Types) -> str:
        numbers = [name for name, kind in types.items() if pa.types.is_floating(kind)]
        return self.dialect.decimal(numbers)

    def where(self, rows: Sequence[int]) -> list[str]:
        """Say on which lines some rows begin."""
        return [f"line {line:,}" for line in lines_of_rows(self.dialect, rows)]

    @staticmethod
    def writer(file: Any, schema: pa.Schema) -> Any:
        """Write CSV with quotes around text and none around numbers."""
        options = pacsv.WriteOptions(quoting_style="needed")
        return pacsv.CSVWriter(file, schema, write_options=options)
