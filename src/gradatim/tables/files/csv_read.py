"""Delimited text to Arrow columns: fast through pyarrow, and strict where it is not.

Without types, the columns' types are inferred over the whole file: the first block
suggests them, everything is read with them, and where that fails the whole file is
looked at again. Four habits of pyarrow's are not taken over:

- ``00501`` and ``0x1F`` are names, not numbers: a column of whole numbers with such
  values stays text.
- Integers beyond 64 bits are names too; as doubles they would lose digits.
- Bytes that are not UTF-8 are an error, not a binary column.
- A quote that is never closed is an error, not one very long value.
"""

import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from gradatim.errors import FileReadError
from gradatim.tables.files.arrow import SHARED_TEXT
from gradatim.tables.files.csv_dialect import (
    Dialect,
    check_quotes,
    may_have_leading_zeros,
)
from gradatim.tables.files.csv_records import records

__all__ = [
    "iter_typed_text",
    "read_text",
    "read_typed_text",
    "with_large_integers_as_text",
]

Types = Mapping[str, Any]
"""Column names and their ``pa.DataType``; pyarrow ships no annotations."""

BLOCK_BYTES = 1 << 20
"""pyarrow's own default."""
FIRST_BYTES = 1 << 18
"""Enough to guess types by; a wrong guess costs one more reading."""
STREAM_BLOCK_BYTES = 1 << 23
"""What streaming holds at a time, and the largest row it can read."""
LARGEST_BLOCK_BYTES = (1 << 31) - 1
"""pyarrow's limit."""

TEXT = pa.string()
MOST_INT64 = 2.0**63
MANY_DISTINCT = 0.9
"""The share of different strings in the first block above which none are shared."""

LEADING_ZERO = r"^0[0-9xX]"
NO_INTEGER = r"[^0-9+\-\s]"

BAD_VALUE = re.compile(
    r"In CSV column #(\d+): (?:Row #\d+: )?CSV conversion error to (.+?): "
    r"invalid value '(.*)'$",
    re.DOTALL,
)

TYPE_NAMES = {
    "double": "a number",
    "int64": "a whole number",
    "bool": "true or false",
    "date32[day]": "a date (YYYY-MM-DD)",
    "time32[s]": "a time of day (HH:MM:SS)",
}


def read_text(
    path: Path,
    dialect: Dialect,
    *,
    missing: Sequence[str],
    leave_doubles: bool = False,
) -> pa.Table:
    """Read all columns, each with the narrowest type that all its values have.

    Strings of few different values come as dictionaries.

    Args:
        path: Of the file.
        dialect: Of the same file.
        missing: Texts that stand for a missing value.
        leave_doubles: The caller will see to ``with_large_integers_as_text``.

    Raises:
        FileReadError: A row with too few or too many fields, a quote never closed or
            bytes that are not UTF-8, with the line.
    """
    try:
        types = _types_of_first_block(path, dialect, missing)
        as_text = _may_be_names(path, dialect, types)
        try:
            table = _read(path, dialect, {**types, **as_text}, missing)
            cleared = set(types)
        except pa.ArrowInvalid as error:
            if not BAD_VALUE.search(str(error)):
                raise
            table, as_text, cleared = _read(path, dialect, {}, missing), {}, set()
        for name in as_text:
            table = _with(table, name, _numbers_or_names(table[name]))
        unsure = [name for name in dialect.names if name not in cleared]
        table = _with_zeros_as_text(path, dialect, table, unsure, missing)
        if not leave_doubles:
            table = with_large_integers_as_text(path, dialect, table, missing=missing)
    except pa.ArrowException as error:
        raise _explained(path, dialect, error) from error
    _check_text(path, dialect, table)
    return table


def read_typed_text(
    path: Path,
    dialect: Dialect,
    types: Types,
    *,
    columns: Sequence[str] | None,
    missing: Sequence[str],
) -> pa.Table:
    """Read columns strictly with the given types; others are inferred.

    Raises:
        FileReadError: As ``read_text``; also a value that is none of its type, with
            line, column and value.
    """
    try:
        table = _read(path, dialect, types, missing, columns)
    except pa.ArrowException as error:
        raise _explained(path, dialect, error) from error
    if columns is not None and len(columns) < len(dialect.names):
        check_quotes(path, dialect.separator)
    else:
        _check_text(path, dialect, table)
    return table


def iter_typed_text(
    path: Path,
    dialect: Dialect,
    types: Types,
    *,
    columns: Sequence[str] | None,
    missing: Sequence[str],
    batch_rows: int,
) -> Iterator[pa.RecordBatch]:
    """Read as ``read_typed_text`` does, a batch at a time, in flat memory."""
    check_quotes(path, dialect.separator)
    options = _options(dialect, types, missing, columns, STREAM_BLOCK_BYTES)
    try:
        for batch in pacsv.open_csv(path, **options):
            for start in range(0, batch.num_rows, batch_rows):
                yield batch.slice(start, batch_rows)
    except pa.ArrowException as error:
        raise _explained(path, dialect, error) from error


def _options(
    dialect: Dialect,
    types: Types,
    missing: Sequence[str],
    columns: Sequence[str] | None,
    block_bytes: int,
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
            include_columns=columns,
            null_values=list(missing),
            strings_can_be_null=True,
            decimal_point=dialect.decimal,
        ),
    }


def _read(
    path: Path,
    dialect: Dialect,
    types: Types,
    missing: Sequence[str],
    columns: Sequence[str] | None = None,
) -> pa.Table:
    for block_bytes in (BLOCK_BYTES, LARGEST_BLOCK_BYTES):
        options = _options(dialect, types, missing, columns, block_bytes)
        try:
            return pacsv.read_csv(path, **options)
        except pa.ArrowInvalid as error:  # one row is larger than a block
            if "straddl" not in str(error) or block_bytes == LARGEST_BLOCK_BYTES:
                raise
    raise AssertionError("the last block size returns or raises")


def _types_of_first_block(
    path: Path, dialect: Dialect, missing: Sequence[str]
) -> dict[str, Any]:
    """The types the first block suggests; a column without any value is left open."""
    options = _options(dialect, {}, missing, None, FIRST_BYTES)
    try:
        first = next(iter(pacsv.open_csv(path, **options)))
    except (pa.ArrowInvalid, StopIteration):
        return {}  # a row larger than the block, or damage that the reading will meet
    types = {}
    for name, values in zip(first.schema.names, first.columns, strict=True):
        if pa.types.is_string(values.type):
            few = len(values.unique()) <= MANY_DISTINCT * len(values)
            types[name] = SHARED_TEXT if few else TEXT
        elif not (pa.types.is_null(values.type) or pa.types.is_binary(values.type)):
            types[name] = values.type
    return types


def _may_be_names(path: Path, dialect: Dialect, types: Types) -> dict[str, Any]:
    """The columns to read as text first: whole numbers, if some begin with zero."""
    whole = [name for name, kind in types.items() if pa.types.is_integer(kind)]
    if whole and may_have_leading_zeros(path, dialect.separator):
        return dict.fromkeys(whole, TEXT)
    return {}


def _numbers_or_names(text: pa.ChunkedArray) -> pa.ChunkedArray:
    """Make numbers of text, unless some of it is none, or a name like ``00501``."""
    trimmed = pc.utf8_trim_whitespace(text)
    for kind in (pa.int64(), pa.float64()):
        try:
            numbers = trimmed.cast(kind)
        except pa.ArrowInvalid:
            continue
        if pa.types.is_integer(kind) and _any_match(text, LEADING_ZERO):
            return text
        return numbers
    return text


def _any_match(text: pa.ChunkedArray, pattern: str) -> bool:
    return bool(pc.any(pc.match_substring_regex(text, pattern)).as_py())


def _with_zeros_as_text(
    path: Path, dialect: Dialect, table: pa.Table, names: Collection[str], missing: Any
) -> pa.Table:
    """Read whole numbers once more as text, and leave those so that begin with 0."""
    names = [name for name in names if pa.types.is_integer(table[name].type)]
    if names and may_have_leading_zeros(path, dialect.separator):
        text = _read(path, dialect, dict.fromkeys(names, TEXT), missing, names)
        for name in names:
            if _any_match(text[name], LEADING_ZERO):
                table = _with(table, name, text[name])
    return table


def with_large_integers_as_text(
    path: Path, dialect: Dialect, table: pa.Table, *, missing: Sequence[str]
) -> pa.Table:
    """Read doubles beyond 64 bits once more as text, and leave so what is whole."""
    names = [name for name in table.column_names if _beyond_64_bits(table[name])]
    if names:
        text = _read(path, dialect, dict.fromkeys(names, TEXT), missing, names)
        for name in names:
            if not _any_match(text[name], NO_INTEGER):
                table = _with(table, name, text[name])
    return table


def _beyond_64_bits(values: pa.ChunkedArray) -> bool:
    if not pa.types.is_floating(values.type):
        return False
    ends = pc.min_max(values).as_py().values()
    return any(end is not None and MOST_INT64 <= abs(end) < math.inf for end in ends)


def _with(table: pa.Table, name: str, values: pa.ChunkedArray) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, values)


def _check_text(path: Path, dialect: Dialect, table: pa.Table) -> None:
    """Look for the two kinds of damage that pyarrow reads without a word."""
    for values in table.columns:
        if pa.types.is_binary(values.type):
            for _ in records(path, dialect.separator):
                pass  # raises at the byte that is not UTF-8
        if _has_line_end(values):
            check_quotes(path, dialect.separator)
            return


def _has_line_end(values: pa.ChunkedArray) -> bool:
    """Whether a text value spans lines, as all do that an open quote swallows."""
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


def _explained(path: Path, dialect: Dialect, error: Exception) -> FileReadError:
    """Find the line of what pyarrow stumbled over, and say it."""
    bad_value = BAD_VALUE.search(str(error))
    place = int(bad_value[1]) if bad_value else -1
    names = dialect.names
    for record in records(path, dialect.separator):
        if len(record.fields) != len(names):
            return _ragged(path, dialect, record.line, record.fields)
        if bad_value and record.fields[place].strip() == bad_value[3].strip():
            wanted = TYPE_NAMES.get(bad_value[2], bad_value[2])
            return FileReadError(
                f"{path}, line {record.line}, column {names[place]!r}: "
                f"{record.fields[place]!r} is not {wanted}.\n"
                "This column is always read with the type it was given; read as "
                "anything else it would not mean the same.\n"
                "Correct the value, or leave it empty if it is missing."
            )
    return FileReadError(
        f"{path} cannot be read as delimited text: {error}\n"
        f"The separator taken is {dialect.separator!r}.\n"
        "Check the file in the program that wrote it."
    )


def _ragged(
    path: Path, dialect: Dialect, line: int, fields: Sequence[str]
) -> FileReadError:
    names = dialect.names
    return FileReadError(
        f"{path}, line {line}: {len(fields)} {_fields(len(fields))} where the header "
        f"has {len(names)} (separator {dialect.separator!r}).\n"
        "Values would end up in the wrong columns.\n"
        "Correct the line; put a value that holds the separator into double quotes."
    )


def _fields(count: int) -> str:
    return "field" if count == 1 else "fields"
