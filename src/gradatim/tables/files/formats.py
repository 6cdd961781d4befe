"""Data files to Arrow columns: CSV, TSV and Parquet, strictly.

A file that breaks its own format is refused with the line on which it does; nothing
is padded, renamed or guessed anew from one file to the next.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from gradatim.errors import FileReadError
from gradatim.tables.files.column_source import ColumnSource
from gradatim.tables.files.csv_dialect import check_present, look_at
from gradatim.tables.files.csv_read import (
    iter_typed_text,
    read_text,
    read_typed_text,
    with_large_integers_as_text,
)
from gradatim.tables.files.float32 import narrowed
from gradatim.tables.files.missing_values import MISSING_VALUES
from gradatim.tables.files.parquet import (
    iter_parquet,
    parquet_names,
    parquet_source,
    read_parquet,
)
from gradatim.text import nearest_name

__all__ = [
    "MISSING_VALUES",
    "column_names",
    "iter_batches",
    "open_source",
    "open_typed_source",
    "read_columns",
]

TEXT_SUFFIXES = (".csv", ".tsv", ".tab", ".txt")
PARQUET_SUFFIXES = (".parquet", ".pq")


def read_columns(
    path: str | Path,
    *,
    types: Mapping[str, Any] | None = None,
    columns: Sequence[str] | None = None,
    missing: Sequence[str] = MISSING_VALUES,
) -> pa.Table:
    r"""Read a data file into an Arrow table.

    Args:
        path: ``.csv``, ``.tsv``, ``.tab``, ``.txt`` (each also with ``.gz``), with a
            header, in UTF-8; ``.parquet`` or ``.pq``.
        types: The ``pa.DataType`` of columns by name. Text is read strictly with them;
            without them types are inferred over the whole file. A Parquet file has
            types of its own and keeps them.
        columns: Names of those to read, in this order; all of them if None.
        missing: Texts that stand for a missing value.

    Raises:
        FileReadError: The file is missing, empty, or damaged: with the line.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "houses.csv")
    >>> _ = path.write_text("rooms,price\n3,250000\n,180000\n")
    >>> read_columns(path).to_pydict()
    {'rooms': [3, None], 'price': [250000, 180000]}
    """
    path = _checked(path)
    if _is_parquet(path):
        return read_parquet(path, columns)
    dialect = look_at(path)
    if columns is not None:
        check_present(path, dialect.names, columns)
    if types is None:
        table = read_text(path, dialect, missing=missing)
        return table if columns is None else table.select(list(columns))
    return read_typed_text(path, dialect, types, columns=columns, missing=missing)


def iter_batches(
    path: str | Path,
    *,
    types: Mapping[str, Any],
    columns: Sequence[str] | None = None,
    batch_rows: int = 65_536,
    missing: Sequence[str] = MISSING_VALUES,
) -> Iterator[pa.RecordBatch]:
    r"""Read a data file batch by batch, in memory that does not grow with the file.

    Args:
        path: As for ``read_columns``.
        types: The ``pa.DataType`` of every column that is read from text.
        columns: Names of those to read, in this order; all of them if None.
        batch_rows: Rows of a batch, at most.
        missing: Texts that stand for a missing value.

    Raises:
        FileReadError: As for ``read_columns``; damage is met when its batch is.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "houses.csv")
    >>> _ = path.write_text("rooms,price\n3,250000\n4,180000\n")
    >>> batches = iter_batches(path, types={"price": pa.float64()}, columns=["price"])
    >>> [batch.to_pydict() for batch in batches]
    [{'price': [250000.0, 180000.0]}]
    """
    path = _checked(path)
    if _is_parquet(path):
        yield from iter_parquet(path, columns, batch_rows)
        return
    dialect = look_at(path)
    if columns is not None:
        check_present(path, dialect.names, columns)
    yield from iter_typed_text(
        path, dialect, types, columns=columns, missing=missing, batch_rows=batch_rows
    )


def column_names(path: str | Path) -> tuple[str, ...]:
    """Read the names of a file's columns, and nothing else.

    Raises:
        FileReadError: As for ``read_columns``, as far as the first row tells.
    """
    path = _checked(path)
    if not _is_parquet(path):
        return look_at(path).names
    return parquet_names(path)


def open_source(path: str | Path, *, exact: Sequence[str] = ()) -> ColumnSource:
    """Open a data file to take its columns one by one, their types inferred.

    Doubles of a text file come as float32 where that loses no differences.

    Args:
        path: As for ``read_columns``.
        exact: Names of columns that stay doubles.

    Raises:
        FileReadError: As for ``read_columns``.
    """
    path = _checked(path)
    if _is_parquet(path):
        return parquet_source(path)
    dialect = look_at(path)
    columns, num_rows = _taken_apart(
        read_text(path, dialect, missing=MISSING_VALUES, leave_doubles=True)
    )

    def read_again(names: list[str]) -> pa.Table:
        types = dict.fromkeys(names, pa.float64())
        doubles = read_columns(path, types=types, columns=names)
        return with_large_integers_as_text(
            path, dialect, doubles, missing=MISSING_VALUES
        )

    narrow = [name for name in columns if name not in exact]
    return narrowed(columns, num_rows, names=narrow, read_again=read_again)


def open_typed_source(
    path: str | Path,
    types: Mapping[str, Any],
    *,
    narrow: Sequence[str],
    missing: Sequence[str],
) -> ColumnSource:
    """Open a data file to take its columns one by one, strictly with types.

    Args:
        path: As for ``read_columns``.
        types: As for ``read_columns``; of a text file no other columns are read.
        narrow: Names of columns whose doubles are to come as float32.
        missing: Texts that stand for a missing value.

    Raises:
        FileReadError: As for ``read_columns``.
    """
    path = _checked(path)
    if _is_parquet(path):
        return parquet_source(path)
    names = [name for name in look_at(path).names if name in types]
    columns, num_rows = _taken_apart(
        read_columns(path, types=types, columns=names, missing=missing)
    )
    return narrowed(
        columns,
        num_rows,
        names=[name for name in narrow if name in columns],
        read_again=None,
    )


def _taken_apart(table: pa.Table) -> tuple[dict[str, pa.ChunkedArray], int]:
    """The columns alone, so that no table holds on to them."""
    return dict(zip(table.column_names, table.columns, strict=True)), table.num_rows


def _is_parquet(path: Path) -> bool:
    return path.suffix.lower() in PARQUET_SUFFIXES


def _checked(path: str | Path) -> Path:
    path = Path(path)
    if path.is_dir():
        raise FileReadError(
            f"{path} is a folder.\n"
            "A table is read from one file.\n"
            f"Name a file in it that ends in one of {', '.join(_suffixes())}."
        )
    if not path.exists():
        near = [file.name for file in path.parent.glob("*")]
        raise FileReadError(
            f"There is no file {path}.{nearest_name(path.name, near)}\n"
            "Nothing was read.\n"
            f"Check the path; the current folder is {Path.cwd()}."
        )
    name = path.name.lower()
    if not name.removesuffix(".gz").endswith(TEXT_SUFFIXES) and not _is_parquet(path):
        raise FileReadError(
            f"{path} has a suffix that is none of {', '.join(_suffixes())}.\n"
            "The suffix says how a file is read.\n"
            "Convert the file, or rename it if it is one of these."
        )
    if path.stat().st_size == 0:
        raise FileReadError(
            f"{path} is empty: 0 bytes.\n"
            "The first line must name the columns.\n"
            "Check that the program that wrote it has finished."
        )
    return path


def _suffixes() -> tuple[str, ...]:
    return TEXT_SUFFIXES + PARQUET_SUFFIXES
