"""The types of a text file's columns, told from all rows.

The first block suggests types, everything is read with them, and where that fails the
whole file is looked at again. Two habits of pyarrow's are not taken over:

- ``00501`` and ``0x1F`` are names, not numbers: a column of whole numbers with such
  values stays text.
- Integers beyond 64 bits are names too; as doubles they would lose digits.
"""

import math
from collections.abc import Collection
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from gradatim.tables.files.arrow import SHARED_TEXT, scalar
from gradatim.tables.files.csv_dialect import Dialect
from gradatim.tables.files.csv_read import (
    BAD_VALUE,
    check_damage,
    errors_with_lines,
    may_have_leading_zeros,
    read_arrow,
    stream_arrow,
)
from gradatim.tables.files.data_file import Names, Types

__all__ = [
    "large_integers_as_text",
    "maybe_thousands",
    "read_commas",
    "read_inferred",
]

# Both numbers were chosen by hand, not measured.
FIRST_BLOCK_BYTES = 1 << 18
"""How much of a file types are guessed from: a wrong guess costs one more reading."""
MANY_DISTINCT = 0.9
"""Sharing strings would save nothing where more than this share of the first differ."""
BEYOND_INT64 = 2.0**63

TEXT = pa.string()
LEADING_ZERO = r"^0[0-9xX]"
NO_INTEGER = r"[^0-9+\-\s]"
THOUSANDS = r"^[+-]?(\d{1,3}|[1-9]\d{0,2}\.\d{3})$"
"""Numbers that may be whole ones with a point between thousands."""


def read_inferred(
    dialect: Dialect, *, leave_doubles: bool = False, texts: Names = ()
) -> pa.Table:
    """Read all columns, each with the narrowest type that all its values have.

    Strings of few different values come as dictionaries; the columns ``texts`` come as
    strings. With ``leave_doubles`` the caller sees to ``large_integers_as_text``. A
    ``FileReadError`` names the line on which a file is damaged.
    """
    with errors_with_lines(dialect):
        types = _types_of_first_block(dialect) | dict.fromkeys(texts, TEXT)
        as_text = _may_be_names(dialect, types)
        try:
            table = read_arrow(dialect, {**types, **dict.fromkeys(as_text, TEXT)})
        except pa.ArrowInvalid as error:
            if not BAD_VALUE.search(str(error)):
                raise
            types, as_text = dict.fromkeys(texts, TEXT), []
            table = read_arrow(dialect, types)
        for name in as_text:
            table = _with(table, name, _numbers_or_names(table[name]))
        unsure = [name for name in dialect.columns if name not in types]
        table = _leading_zeros_as_text(dialect, table, unsure)
        if not leave_doubles:
            table = large_integers_as_text(dialect, table)
    check_damage(dialect, table)
    return table


def read_commas(
    dialect: Dialect, *, leave_doubles: bool = False, texts: Names = ()
) -> pa.Table | None:
    """Do the same for a file in which some columns have decimal commas.

    These become doubles while the file is read, which is several times faster than
    afterwards. None is the answer where that cannot be done: where a value of theirs is
    no number, or where no column is certain.
    """
    commas = dict.fromkeys([n for n in dialect.commas if n not in texts], pa.float64())
    if not commas:
        return None
    with errors_with_lines(dialect):
        types = _types_of_first_block(dialect)
        # With a decimal comma, pyarrow reads no decimal point.
        points = [name for name, kind in types.items() if pa.types.is_floating(kind)]
        points = [name for name in points if name not in {*commas, *texts}]
        types |= dict.fromkeys((*points, *texts), TEXT) | commas
        if _may_be_names(dialect, types):
            return None
        try:
            table = read_arrow(dialect, types, decimal=",")
            for name in points:
                table = _with(table, name, table[name].cast(pa.float64()))
        except pa.ArrowInvalid:
            return None
        unsure = [name for name in dialect.columns if name not in types]
        if any(not pa.types.is_null(table[name].type) for name in unsure):
            return None
        if not leave_doubles:
            table = large_integers_as_text(dialect, table)
    check_damage(dialect, table)
    return table


def _types_of_first_block(dialect: Dialect) -> dict[str, Any]:
    """Give the types the first block suggests; a column without values has none."""
    try:
        first = next(stream_arrow(dialect, {}, block_bytes=FIRST_BLOCK_BYTES))
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


def _may_be_names(dialect: Dialect, types: Types) -> list[str]:
    """Choose the columns to read as text first: integers, if some begin with zero."""
    integers = [name for name, kind in types.items() if pa.types.is_integer(kind)]
    return integers if integers and may_have_leading_zeros(dialect) else []


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


def _leading_zeros_as_text(dialect: Dialect, table: pa.Table, names: Names) -> pa.Table:
    """Read integers once more as text, and leave those so that begin with zero."""
    names = _may_be_names(dialect, {name: table[name].type for name in names})
    if names:
        text = read_arrow(dialect, dict.fromkeys(names, TEXT), names)
        for name in names:
            if _any_match(text[name], LEADING_ZERO):
                table = _with(table, name, text[name])
    return table


def large_integers_as_text(dialect: Dialect, table: pa.Table) -> pa.Table:
    """Read doubles beyond 64 bits once more as text, and leave so what is whole."""
    names = [name for name in table.column_names if _beyond_64_bits(table[name])]
    if names:
        text = read_arrow(dialect, dict.fromkeys(names, TEXT), names)
        for name in names:
            if not _any_match(text[name], NO_INTEGER):
                table = _with(table, name, text[name])
    return table


def maybe_thousands(
    dialect: Dialect, table: pa.Table, *, but: Collection[str] = ()
) -> dict[str, str]:
    """Find columns of doubles in which each point may stand between thousands.

    That is so where all numbers are as ``1.234`` or ``850``. The answer has one such
    value for each of these columns, ``but`` some that are sure. Most others are told by
    their numbers alone.
    """
    found = {}
    for name in table.column_names:
        values = table[name]
        if name in but or not pa.types.is_float64(values.type):
            continue
        thousandfold = pc.multiply(values, scalar(1_000.0, pa.float64()))
        is_near = pc.less(
            pc.abs(pc.subtract(thousandfold, pc.round(thousandfold))),
            scalar(1e-6, pa.float64()),
        )
        if not pc.all(is_near).as_py():
            continue
        text = read_arrow(dialect, {name: TEXT}, [name])[name]
        text = pc.utf8_trim_whitespace(text)
        marked = text.filter(pc.match_substring(text, "."))
        if len(marked) and pc.all(pc.match_substring_regex(text, THOUSANDS)).as_py():
            found[name] = marked[0].as_py()
    return found


def _beyond_64_bits(values: pa.ChunkedArray) -> bool:
    if not pa.types.is_floating(values.type):
        return False
    ends = pc.min_max(values).as_py().values()
    return any(end is not None and BEYOND_INT64 <= abs(end) < math.inf for end in ends)


def _with(table: pa.Table, name: str, values: pa.ChunkedArray) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, values)
