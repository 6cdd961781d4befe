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
from gradatim.tables.files.column_source import ColumnSource
from gradatim.tables.files.csv_dialect import check_names, check_present
from gradatim.text import listed

__all__ = ["iter_parquet", "parquet_names", "parquet_source", "read_parquet"]


def parquet_names(path: Path) -> tuple[str, ...]:
    """Read the names of the columns."""
    return tuple(_open(path).schema_arrow.names)


def parquet_source(path: Path) -> ColumnSource:
    """Open a file to read its columns one by one, each when it is taken.

    Raises:
        FileReadError: Here, or where a column is taken.
    """
    file = _open(path)
    names = tuple(file.schema_arrow.names)

    def take(name: str) -> pa.ChunkedArray:
        with _damage_told(path):
            return file.read(columns=[name]).column(name)

    return ColumnSource(names, file.metadata.num_rows, take)


def read_parquet(path: Path, columns: Sequence[str] | None) -> pa.Table:
    """Read columns, all of them if None, in the order that is asked for.

    Raises:
        FileReadError: The file is damaged or lacks a column.
    """
    file = _open(path, columns)
    with _damage_told(path):
        table = file.read(columns=columns)
    return table if columns is None else table.select(list(columns))


def iter_parquet(
    path: Path, columns: Sequence[str] | None, batch_rows: int
) -> Iterator[pa.RecordBatch]:
    """Read columns batch by batch.

    Raises:
        FileReadError: The file is damaged or lacks a column.
    """
    file = _open(path, columns)
    with _damage_told(path):
        for batch in file.iter_batches(batch_size=batch_rows, columns=columns):
            yield batch if columns is None else batch.select(list(columns))


def _open(path: Path, columns: Sequence[str] | None = None) -> Any:
    """Open a file that has all of ``columns`` and at least one row."""
    import pyarrow.parquet as pq  # 0.1 s that reading text need not wait for

    with _damage_told(path):
        kinds = pq.read_schema(path)
        text = [
            field.name
            for field in kinds
            if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)
        ]
        file = pq.ParquetFile(
            path, read_dictionary=text, page_checksum_verification=True
        )
    check_names(str(path), kinds.names)
    if file.metadata.num_rows == 0:
        raise FileReadError(
            f"{path} has columns ({listed(kinds.names)}) and no rows.\n"
            "There is nothing to read.\n"
            "Check that the program that wrote it has finished."
        )
    if columns is not None:
        check_present(path, kinds.names, columns)
    return file


@contextlib.contextmanager
def _damage_told(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise FileReadError(
            f"{path} cannot be read as Parquet: {error}\n"
            "A part of it is missing or was changed after it was written.\n"
            "Write or copy the file again."
        ) from error
