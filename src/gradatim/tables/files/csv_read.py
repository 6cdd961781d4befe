"""pyarrow's reader of delimited text, made strict, with errors that name the line.

Two kinds of damage pyarrow reads without a word: bytes that are not UTF-8 become a
binary column, and a quote that is never closed becomes one very long value. Both are
looked for here. What pyarrow does refuse is found again by the reader of
``csv_records``, which knows the line. NumPy's looks at the bytes are quick and may find
more than there is; a slower reader then looks closer.
"""

import codecs
import contextlib
import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from gradatim.errors import FileReadError
from gradatim.tables.files.arrow import type_words
from gradatim.tables.files.csv_dialect import Dialect
from gradatim.tables.files.csv_records import records
from gradatim.tables.files.data_file import Names, Types
from gradatim.tables.files.text_file import TextFile
from gradatim.text import shown

__all__ = [
    "check_damage",
    "check_quotes",
    "errors_with_lines",
    "lines_of_rows",
    "may_have_leading_zeros",
    "read_arrow",
    "stream_arrow",
]

BLOCK_BYTES = 1 << 20
"""pyarrow's own default."""
LARGEST_BLOCK_BYTES = (1 << 31) - 1
"""pyarrow's limit. A row must fit into one block."""
PIECE_BYTES = 1 << 18
"""What NumPy looks at at once: it should stay in the processor's cache. Chosen by hand,
not measured."""

BAD_VALUE = re.compile(
    r"In CSV column #(\d+): (?:Row #\d+: )?CSV conversion error to (.+?): "
    r"(?:invalid value|expected (?:a|no) zone offset in) '(.*)'"
    r"(?:\. If these timestamps are in local time.*)?$",
    re.DOTALL,
)
"""How pyarrow's error names a value that is none of its column's type."""


def read_arrow(
    dialect: Dialect, types: Types, columns: Names | None = None, *, decimal: str = "."
) -> pa.Table:
    """Read columns, with ``types`` where these name one and else as pyarrow infers.

    Raises:
        pa.ArrowInvalid: pyarrow refuses the file; see ``errors_with_lines``.
    """
    for block_bytes in (BLOCK_BYTES, LARGEST_BLOCK_BYTES):
        options = _options(dialect, types, columns, block_bytes, decimal)
        try:
            with dialect.text.for_arrow() as file:
                return pacsv.read_csv(file, **options)
        except pa.ArrowInvalid as error:
            if not is_too_small(error) or block_bytes == LARGEST_BLOCK_BYTES:
                raise
    raise AssertionError("the last block size returns or raises")


def stream_arrow(
    dialect: Dialect,
    types: Types,
    columns: Names | None = None,
    *,
    block_bytes: int,
    decimal: str = ".",
) -> Iterator[pa.RecordBatch]:
    """Read as ``read_arrow`` does, block by block: types are those of the first one."""
    for bytes_at_once in (block_bytes, LARGEST_BLOCK_BYTES):
        options = _options(dialect, types, columns, bytes_at_once, decimal)
        with dialect.text.for_arrow() as file:
            try:
                blocks = pacsv.open_csv(file, **options)
            except pa.ArrowInvalid as error:
                if not is_too_small(error) or bytes_at_once == LARGEST_BLOCK_BYTES:
                    raise
            else:
                yield from blocks
                return


def is_too_small(error: pa.ArrowInvalid) -> bool:
    """Say whether pyarrow fails because a row or the header is larger than a block."""
    return any(words in str(error) for words in ("straddl", "Empty CSV file or block"))


def _options(
    dialect: Dialect,
    types: Types,
    columns: Names | None,
    block_bytes: int,
    decimal: str,
) -> dict[str, Any]:
    return {
        "read_options": pacsv.ReadOptions(
            block_size=block_bytes,
            # With a pool of one thread blocks would only pile up before it.
            use_threads=pa.cpu_count() > 1,
        ),
        "parse_options": pacsv.ParseOptions(
            delimiter=dialect.separator, newlines_in_values=True
        ),
        "convert_options": pacsv.ConvertOptions(
            column_types=dict(types),
            include_columns=_included(dialect, columns),
            null_values=list(dialect.missing),
            strings_can_be_null=True,
            decimal_point=decimal,
        ),
    }


def _included(dialect: Dialect, columns: Names | None) -> Names | None:
    """Name the columns to read; None reads all of them in less time."""
    has_all = len(dialect.columns) == len(dialect.names)
    return dialect.columns if columns is None and not has_all else columns


def check_damage(dialect: Dialect, table: pa.Table) -> None:
    """Raise a ``FileReadError`` with the line for damage that pyarrow does not see."""
    if len(table.columns) < len(dialect.names):
        check_quotes(dialect)
    for values in table.columns:
        if pa.types.is_binary(values.type):
            _read_records(dialect)  # raises at the byte that is not UTF-8
        if _has_line_end(values):
            check_quotes(dialect)
            return


def _has_line_end(values: pa.ChunkedArray) -> bool:
    """Say whether a text spans lines, as all do that an open quote swallows."""
    if pa.types.is_dictionary(values.type):
        chunks = [chunk.dictionary for chunk in values.unify_dictionaries().chunks[:1]]
    elif pa.types.is_string(values.type):
        chunks = values.chunks
    else:
        return False
    return any(
        pc.any(pc.match_substring(chunk, end)).as_py()
        for chunk in chunks
        for end in ("\n", "\r")
    )


def _read_records(dialect: Dialect) -> None:
    for _ in records(dialect.text, dialect.separator):
        pass


def check_quotes(dialect: Dialect) -> None:
    """Raise a ``FileReadError`` where a quote is not closed where a value may end.

    A quick look at the bytes beside all quotes clears most files: taken in turn, every
    other quote opens a value and must follow a separator or line end; the next one
    closes it and must be followed by one. (A doubled quote closes and opens again,
    which fits the same rule.) Other files are read record by record.
    """
    if not _quotes_pair_up(dialect):
        _read_records(dialect)  # raises, or finds that the quotes are only text


def _quotes_pair_up(dialect: Dialect) -> bool:
    beside = np.zeros(256, dtype=bool)
    beside[[ord(char) for char in f'{dialect.separator}\r\n"']] = True
    inside = 0
    for window in _windows(dialect.text):
        places = np.flatnonzero(window[1:-1] == ord('"'))
        opening, closing = places[inside::2], places[1 - inside :: 2]
        if not (beside[window[opening]].all() and beside[window[closing + 2]].all()):
            return False
        inside = (inside + len(places)) % 2
    return not inside


def may_have_leading_zeros(dialect: Dialect) -> bool:
    """Say whether any field begins with ``0`` and goes on as ``00501`` or ``0x1F`` do.

    The answer is also yes for fields such as ``08:30``: the caller has to look closer.
    """
    separator = dialect.separator
    for window in _windows(dialect.text):
        before, after = window[:-2], window[2:]
        zeros = window[1:-1] == ord("0")
        zeros &= after >= ord("0")
        if separator <= ",":  # tab, line ends and quotes lie below the comma, too
            zeros &= before <= ord(",")
        else:
            zeros &= after != ord(separator)
            zeros &= (before <= ord(",")) | (before == ord(separator))
        if zeros.any():
            return True
    return False


def _windows(text: TextFile) -> Iterator[npt.NDArray[np.uint8]]:
    """Give the bytes of a file in pieces, each with one byte more on either side."""
    with text.open() as file:
        piece = file.read(PIECE_BYTES).removeprefix(codecs.BOM_UTF8)
        before = b"\n"
        while piece:
            following = file.read(PIECE_BYTES)
            after = following[:1] or b"\n"
            yield np.frombuffer(before + piece + after, dtype=np.uint8)
            before, piece = piece[-1:], following


def lines_of_rows(dialect: Dialect, rows: Sequence[int]) -> list[int]:
    """Give the lines on which some rows begin; rows are counted from 0 and rise."""
    lines, wanted = [], iter(rows)
    row = next(wanted, None)
    data = itertools.islice(records(dialect.text, dialect.separator), 1, None)
    for number, record in enumerate(data):
        if row is None:
            break
        if number == row:
            lines.append(record.line)
            row = next(wanted, None)
    return lines


@contextlib.contextmanager
def errors_with_lines(dialect: Dialect) -> Iterator[None]:
    """Find the line of what pyarrow stumbles over, and raise a ``FileReadError``."""
    try:
        yield
    except pa.ArrowException as error:
        raise _with_line(dialect, str(error)) from error


def _with_line(dialect: Dialect, arrow_message: str) -> FileReadError:
    path, names = dialect.path, dialect.names
    bad_value = BAD_VALUE.search(arrow_message)
    place = int(bad_value[1]) if bad_value else -1
    for number, record in enumerate(records(dialect.text, dialect.separator)):
        if number and bad_value and tuple(record.fields) == names:
            return FileReadError(
                f"{path}, line {record.line} repeats the header.\n"
                "Its words would stand among the values of every column.\n"
                "Delete the line, or leave such lines out: --skip-bad-lines."
            )
        count = len(record.fields)
        if count != len(names):
            return FileReadError(
                f"{path}, line {record.line}: {count} field{'s' * (count != 1)} where "
                f"{dialect.first} has {len(names)} (separator {dialect.separator!r}).\n"
                "Values would end up in the wrong columns.\n"
                "Correct the line (a value that holds the separator needs double "
                "quotes), or leave such lines out: --skip-bad-lines."
            )
        if not (number and bad_value):  # a header may have such a name
            continue
        if record.fields[place].strip() == bad_value[3].strip():
            return FileReadError(
                f"{path}, line {record.line}, column {names[place]!r}: "
                f"{shown(record.fields[place])} is not {type_words(bad_value[2])}.\n"
                "This column is always read with the type it was given; read as "
                "anything else it would not mean the same.\n"
                "Correct the value, or leave it empty if it is missing."
            )
    return FileReadError(
        f"{path} cannot be read as delimited text: {arrow_message}\n"
        f"The separator taken is {dialect.separator!r}.\n"
        "Check the file in the program that wrote it."
    )
