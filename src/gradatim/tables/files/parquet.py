"""Parquet files to Arrow columns.

A Parquet file has types of its own, and keeps them; ``values_to_codes.typed`` compares
them with a schema's. Text is read as dictionaries: such files mostly hold it so.
"""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from gradatim.errors import FileReadError
from gradatim.tables.files.arrow import for_arrow
from gradatim.tables.files.column_source import ColumnSource, check_names, check_present
from gradatim.tables.files.data_file import DataFile, Names, Types, damaged
from gradatim.tables.files.expansion import check_expansion, most_bytes
from gradatim.tables.files.parquet_pages import (
    DELTAS,
    Leaf,
    chunks_of,
    unpacked_bytes,
)
from gradatim.tables.files.reading import Reading
from gradatim.tables.files.structs import opened, opened_names
from gradatim.text import listed

__all__ = ["ParquetFile"]

PICKLED_TYPE = b"arrow.py_extension_type"
"""The name of a type that is a pickle: older versions of Arrow wrote such types."""
LEAST_BYTES = 1 << 28
"""What every file may take in memory, however small it is: columns of few values are
packed better than text is. Chosen by hand, not measured."""
NOT_IMPLEMENTED = "Not yet implemented"
"""With this, pyarrow begins what it says of a format that it cannot read."""


class ParquetFile(DataFile):
    """A Parquet file; each column is read when it is taken."""

    suffixes = (".parquet", ".pq")
    written_suffixes = suffixes

    def __init__(self, path: Path, missing: Sequence[str], reading: Reading) -> None:
        import pyarrow.parquet as pq  # 0.1 s that reading text need not wait for

        self.path = path
        with self._damage_explained():
            first = pq.ParquetFile(for_arrow(path), arrow_extensions_enabled=False)
            # Names of structs are opened; it fails where a name is no UTF-8.
            self.names = opened_names(first.schema_arrow)
        check_names(str(path), self.names)
        _check_no_pickle(path, first.schema_arrow)
        with self._damage_explained():
            shared = _check_size(path, first.schema)
            self._file = pq.ParquetFile(
                for_arrow(path),
                metadata=first.metadata,
                read_dictionary=shared,
                page_checksum_verification=True,
                arrow_extensions_enabled=False,
            )
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
            table = opened(self._file.read(columns=names)).select(names)
            for column in table.columns:
                self._check(column)
            return table

    def source(
        self, types: Types | None = None, *, doubles: Names = (), texts: Names = ()
    ) -> ColumnSource:
        """Give the columns as they are: their types are compared when they are used."""

        def take(name: str) -> pa.ChunkedArray:
            with self._damage_explained():
                column = opened(self._file.read(columns=[name])).column(name)
                self._check(column)
                return column

        return ColumnSource(self.names, self._file.metadata.num_rows, take)

    def batches(
        self, types: Types, columns: Names | None = None, *, batch_rows: int = 65_536
    ) -> Iterator[pa.RecordBatch]:
        """Read the columns batch by batch."""
        names, num_rows = self._checked(columns), 0
        with self._damage_explained():
            for batch in self._file.iter_batches(batch_size=batch_rows, columns=names):
                num_rows += batch.num_rows
                if batch.schema.names != names:
                    (batch,) = opened(pa.Table.from_batches([batch])).to_batches()
                    batch = batch.select(names)
                _check_places(batch.columns)
                yield batch
            self._check_rows(num_rows)

    @staticmethod
    def writer(file: Any, schema: pa.Schema) -> Any:
        """Write Parquet as pyarrow does by default."""
        import pyarrow.parquet as pq

        return pq.ParquetWriter(file, schema)

    def _checked(self, columns: Names | None) -> list[str]:
        check_present(self.path, self.names, columns or ())
        return list(self.names if columns is None else columns)

    def _check(self, column: pa.ChunkedArray) -> None:
        """Refuse damage of a whole column that pyarrow reads in silence."""
        _check_places(column.chunks)
        self._check_rows(len(column))

    def _check_rows(self, num_rows: int) -> None:
        if num_rows != self._file.metadata.num_rows:
            raise ValueError(
                f"{num_rows:,} rows are there of {self._file.metadata.num_rows:,}"
            )

    @contextlib.contextmanager
    def _damage_explained(self) -> Iterator[None]:
        try:
            yield
        except (FileReadError, MemoryError):  # Arrow's is an ArrowException, too
            raise
        except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
            if str(error).startswith(NOT_IMPLEMENTED):
                raise FileReadError(
                    f"{self.path} holds what pyarrow cannot read: {error}\n"
                    "Parquet allows it, and few programs write it.\n"
                    "Write the file again, for example with pandas or DuckDB as they "
                    "do by default."
                ) from error
            raise damaged(self.path, "Parquet", error) from error


def _check_no_pickle(path: Path, schema: pa.Schema) -> None:
    """Refuse a column whose type is a pickle, which other programs may run."""
    for field in schema:
        if (field.metadata or {}).get(b"ARROW:extension:name") == PICKLED_TYPE:
            raise FileReadError(
                f"{path}: the type of the column {field.name!r} is a pickle, which "
                "runs code when it is read.\n"
                "Nothing of it was run; no program needs such a type any more.\n"
                "Write the file again with a newer pyarrow."
            )


def _check_places(arrays: Sequence[pa.Array]) -> None:
    """Refuse places of values that lie outside of their dictionary.

    For 5 million texts, whose reading took 20 ms, this takes 0.5 ms, and Arrow's full
    validation of the whole took 6 ms.
    """
    for array in arrays:
        if pa.types.is_dictionary(array.type):
            array.dictionary.validate(full=True)
            first, last = pc.min_max(array.indices).as_py().values()
            if first is not None and not 0 <= first <= last < len(array.dictionary):
                raise ValueError(
                    f"places from {first:,} to {last:,} in a dictionary of "
                    f"{len(array.dictionary):,} values"
                )


def _check_size(path: Path, schema: Any) -> list[str]:
    """Refuse a file that unpacks to too much; give the columns to read as shared.

    Of bytes each different value is kept once: one large value in a dictionary could
    stand in a million rows. pyarrow can keep them so but for decimals, and where they
    are encoded by their differences.
    """
    groups, most = chunks_of(path), most_bytes(path, least=LEAST_BYTES)
    if any(len(chunks) != len(schema) for _, chunks in groups):
        raise ValueError("its groups of rows have not as many columns as it names")
    leaves, shared = [], []
    for index, column in enumerate(map(schema.column, range(len(schema)))):
        is_decimal = column.logical_type.type == "DECIMAL"
        has_bytes = column.physical_type == "BYTE_ARRAY" and not is_decimal
        is_shared = has_bytes and all(
            chunks[index].encodings.isdisjoint(DELTAS) for _, chunks in groups
        )
        if is_shared:
            shared.append(column.path)
        levels = column.max_repetition_level
        leaves.append(
            Leaf(column.physical_type, column.length, levels, is_decimal, is_shared)
        )
    check_expansion(path, unpacked_bytes(path, leaves, groups, most), most)
    return shared
