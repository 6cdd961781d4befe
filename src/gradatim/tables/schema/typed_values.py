"""Arrow columns with the types that a schema has for them, whatever holds them.

Text is read by the spelling of its column, numbers may stand for numbers of another
width; all else is an error with the row.
"""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from gradatim.errors import SchemaError
from gradatim.tables.files.arrow import (
    SHARED_TEXT,
    array_of,
    numpy_of,
    scalar,
    type_words,
)
from gradatim.tables.files.data_file import MISSING_VALUES
from gradatim.tables.schema.as_written import Read, Texts, read_texts
from gradatim.tables.schema.columns import Column, Target, arrow_type
from gradatim.tables.schema.quick_numbers import LONG_ROWS, read_quickly
from gradatim.tables.schema.spelling import MISSING_WORDS
from gradatim.tables.schema.value_notices import MOST_NAMED, ValueNotices
from gradatim.text import shown

__all__ = [
    "as_categories",
    "first_failing",
    "numbers_as_texts",
    "places",
    "plain",
    "plain_and_typed",
    "stands_for_missing",
    "stray_rows",
    "typed",
    "without_words",
]

MANY_STRAYS = 20
"""From so many values on that are written otherwise than in training, it is an error if
they are most of all: the file means something else. Chosen by hand, not measured."""
WHOLE_FLOAT = r"^(-?\d+)\.0+$"


def plain(values: pa.ChunkedArray) -> pa.Array:
    """Bring a column to one of few types.

    Text of any width becomes a dictionary of strings; dictionaries of anything else are
    unpacked; decimals and half floats become doubles; durations and integers of any
    width int64 (doubles where they do not fit). Bytes, which have no encoding, are left
    out: a large value may stand in every row of a dictionary.
    """
    kind = values.type
    if isinstance(kind, pa.BaseExtensionType):
        storage = [chunk.storage for chunk in values.chunks]
        return plain(pa.chunked_array(storage, kind.storage_type))
    if pa.types.is_dictionary(kind) and not kind.equals(SHARED_TEXT):
        if pa.types.is_binary(kind.value_type):
            return _without_values(values)
        return plain(_unpacked(values))
    if kind in (pa.string(), pa.large_string(), pa.string_view()):
        values = values.cast(pa.string()).dictionary_encode()
    elif pa.types.is_decimal(kind) or kind == pa.float16():
        values = values.cast(pa.float64())
    elif pa.types.is_integer(kind) or pa.types.is_duration(kind):
        try:
            values = values.cast(pa.int64())
        except pa.ArrowInvalid:  # unsigned and beyond
            values = values.cast(pa.float64(), safe=False)
    return values.chunk(0) if values.num_chunks == 1 else values.combine_chunks()


def _unpacked(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Give each row of a dictionary column its value.

    Arrow cannot take from views of strings, which polars gives; so they become strings.
    """
    kind = values.type.value_type
    kind = pa.string() if kind == pa.string_view() else kind
    chunks = [
        chunk.dictionary.cast(kind).take(chunk.indices) for chunk in values.chunks
    ]
    return pa.chunked_array(chunks, kind)


def _without_values(values: pa.ChunkedArray) -> pa.Array:
    """Keep of a dictionary of bytes where values are missing, and their type alone."""
    is_valid = numpy_of(values.combine_chunks().is_valid())
    bits = np.packbits(is_valid, bitorder="little")
    ends = np.zeros(len(values) + 1, dtype=np.int32)
    buffers = [pa.py_buffer(each) for each in (bits, ends, b"")]
    return pa.Array.from_buffers(pa.binary(), len(values), buffers)


def plain_and_typed(
    values: pa.ChunkedArray, column: Column, notices: ValueNotices
) -> pa.Array:
    """Do what ``plain`` and ``typed`` do, for long columns of numbers in less time."""
    spelling = column.spelling
    is_long = pa.types.is_string(values.type) and len(values) >= LONG_ROWS
    if is_long and spelling is not None and not (column.missing or column.of):
        text = values.combine_chunks()
        quick = read_quickly(text, spelling)
        if quick is not None:
            numbers, rows = quick
            rest = text.take(array_of(rows, pa.int64())).dictionary_encode()
            found = typed(rest, column, notices, num_rows=len(text))
            if column.name in notices.first_strays:
                first = notices.first_strays[column.name]
                notices.first_strays[column.name] = [
                    (int(rows[r]), t) for r, t in first
                ]
            if found.null_count == len(found):
                return numbers
            both = np.array(numpy_of(numbers), np.float64)
            both[rows] = numpy_of(found)
            return array_of(both, pa.float64())
    return typed(plain(values), column, notices)


def typed(
    values: pa.Array,
    column: Column | Target,
    notices: ValueNotices | None = None,
    *,
    num_rows: int | None = None,
) -> pa.Array:
    """Give plain values the type that the schema has for their column.

    Text is read by the column's spelling, where it has one, and else as strictly as in
    a file; whole numbers may stand for numbers, 0 and 1 for booleans, dates for times
    of day zero. What a spelling does not fit is missing, and noted in ``notices``; it
    is an error where it is most of ``num_rows``, which are all if it is None.

    Raises:
        SchemaError: They are of another kind, or one value is: its row is named.
    """
    wanted = arrow_type(column.type)
    if column.missing:
        values = without_words(values, column.missing)
    if column.spelling is not None:
        if column.spelling.date or column.spelling.order:
            values = numbers_as_texts(values)
        if pa.types.is_dictionary(values.type):
            return _by_spelling(values, column, notices, num_rows)
    if isinstance(column, Column) and column.of:
        return array_of(np.zeros(len(values), np.int64), pa.int64())
    names = column.vocabulary if isinstance(column, Column) else column.labels
    if pa.types.is_string(wanted) and are_whole(list(map(str, names))):
        values = as_categories(values)
    if pa.types.is_null(values.type):
        values = values.cast(wanted)
    if pa.types.is_string(wanted):
        if not pa.types.is_dictionary(values.type):
            if values.null_count < len(values):
                raise _other_kind(values, column)
            values = values.cast(pa.string()).dictionary_encode().cast(SHARED_TEXT)
        return values
    if values.type == wanted:
        return values
    if not _may_become(values.type, wanted):
        raise _other_kind(values, column)
    words = column.vocabulary if isinstance(column, Column) else column.labels
    if _is_number(wanted) and _is_number(values.type) and not words:
        return values
    if pa.types.is_temporal(wanted) and pa.types.is_temporal(values.type):
        return values
    return _cast(values, wanted, column)


def without_words(values: pa.Array, words: Sequence[str]) -> pa.Array:
    """Leave out values that the owner of the data says stand for missing ones."""
    if pa.types.is_dictionary(values.type):
        texts = pc.utf8_trim_whitespace(values.dictionary)
        texts = pc.replace_substring_regex(texts, WHOLE_FLOAT, r"\1")  # -999.0 is -999
        absent = pc.is_in(texts, value_set=array_of(words, pa.string()))
        if not pc.any(absent).as_py():
            return values
        absent = pc.fill_null(absent.take(values.indices), scalar(False, pa.bool_()))
    elif _is_number(values.type):
        numbers = array_of(words, pa.string())
        is_one = pc.match_substring_regex(numbers, r"^[+-]?\d+(\.\d*)?$")
        numbers = numbers.filter(is_one).cast(pa.float64())
        absent = pc.is_in(values.cast(pa.float64(), safe=False), value_set=numbers)
    else:
        return values
    return pc.if_else(absent, scalar(None, values.type), values)


def numbers_as_texts(values: pa.Array) -> pa.Array:
    """Write numbers and booleans as texts, whole ones without a decimal point."""
    if not (_is_number(values.type) or pa.types.is_boolean(values.type)):
        return values
    texts = pc.replace_substring_regex(values.cast(pa.string()), r"\.0$", "")
    if pa.types.is_floating(values.type):
        texts = pc.if_else(pc.is_finite(values), texts, scalar(None, pa.string()))
    return texts.dictionary_encode()


def are_whole(words: Sequence[str]) -> bool:
    """Say whether all words are whole numbers, as programs write them."""
    return bool(words) and all(re.fullmatch(r"-?\d+", word) for word in words)


def as_categories(values: pa.Array) -> pa.Array:
    """Write numbers as texts; in texts, ``7.0`` becomes ``7``: it is the same."""
    values = numbers_as_texts(values)
    if pa.types.is_dictionary(values.type):
        texts = values.dictionary
        if pc.any(pc.match_substring_regex(texts, WHOLE_FLOAT)).as_py():
            texts = pc.replace_substring_regex(texts, WHOLE_FLOAT, r"\1")
            values = texts.take(values.indices).dictionary_encode()
    return values


def _by_spelling(
    values: pa.Array,
    column: Column | Target,
    notices: ValueNotices | None,
    num_rows: int | None,
) -> pa.Array:
    """Read texts by the column's spelling, and note what is written otherwise."""
    spelling = column.spelling
    assert spelling is not None
    texts = Texts.of(values, words=() if spelling.order else MISSING_WORDS)
    kind = arrow_type(column.type) if spelling.date else None
    read = read_texts(texts, spelling, kind)
    is_bound = isinstance(column, Column) and column.of
    if read.strays.any() and not is_bound:
        num_values = texts.total if num_rows is None else num_rows
        _note_strays(values, texts, read, column, notices, num_values)
    if is_bound:
        read_values = array_of(read.bounds, pa.int8()).cast(pa.int64())
        return pc.fill_null(read_values.take(values.indices), scalar(0, pa.int64()))
    return read.values.take(values.indices)


def _note_strays(
    values: pa.Array,
    texts: Texts,
    read: Read,
    column: Column | Target,
    notices: ValueNotices | None,
    num_values: int,
) -> None:
    num_strays = texts.rows(read.strays)
    rows = stray_rows(values, read)
    first = [values[int(row)].as_py() for row in rows[:MOST_NAMED]]
    is_most = num_strays >= MANY_STRAYS and 2 * num_strays > num_values
    if isinstance(column, Target) or is_most:
        what = f"row {rows[0] + 1}: {shown(first[0])}"
        if is_most:
            what = (
                f"{num_strays:,} of {num_values:,} values, such as {shown(first[0])},"
            )
        raise SchemaError(
            f"Column {column.name!r}, {what} is not written as in the training file.\n"
            "Read otherwise it would not mean what it meant there.\n"
            "Write it as there, or leave it empty if it is missing."
        )
    if notices is not None:
        notices.note_strays(
            column.name, num_strays, [*zip(rows.tolist(), first, strict=False)]
        )


def stray_rows(values: pa.Array, read: Read) -> npt.NDArray[np.int64]:
    """Give the rows whose texts are written otherwise than the others."""
    return np.flatnonzero(np.append(read.strays, False)[places(values)])


def _is_number(kind: Any) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _may_become(kind: Any, wanted: Any) -> bool:
    if pa.types.is_dictionary(kind):
        return True
    if not pa.types.is_temporal(wanted):
        return _is_number(kind) or pa.types.is_boolean(kind)
    zoned = getattr(kind, "tz", None) is not None
    return bool(
        pa.types.is_temporal(kind)
        and pa.types.is_time(kind) == pa.types.is_time(wanted)
        and zoned == (getattr(wanted, "tz", None) is not None)
    )


def _cast(values: pa.Array, wanted: Any, column: Column | Target) -> pa.Array:
    """Cast by way of text, which is strict: 2 is no boolean, 0.5 no whole number.

    Each different text is cast once; they come in the order of their first rows.
    """
    is_shared = pa.types.is_dictionary(values.type)
    different = values.unique() if is_shared else values
    text = pc.utf8_trim_whitespace(different.cast(pa.string()))
    text = pc.if_else(stands_for_missing(text), scalar(None, pa.string()), text)
    if pa.types.is_integer(wanted) and pa.types.is_floating(values.type):
        text = pc.replace_substring_regex(text, r"\.0$", "")
    places_ = None
    if is_shared:
        places_ = pc.index_in(values.indices, value_set=different.indices)
    failing = first_failing(text, wanted)
    if failing is None:
        return text.cast(wanted) if places_ is None else text.cast(wanted).take(places_)
    row = failing
    if places_ is not None:
        row = int(np.flatnonzero(numpy_of(places_) == failing)[0])
    raise SchemaError(
        f"Column {column.name!r}, row {row + 1}: {shown(text[failing].as_py())} is not "
        f"{type_words(column.type)}, which the schema has.\n"
        "Read as anything else it would not mean what it meant in training.\n"
        "Correct the value, or leave it empty if it is missing."
    )


def stands_for_missing(text: pa.Array) -> pa.BooleanArray:
    """Say which strings stand for a missing value."""
    return pc.is_in(text, value_set=array_of(MISSING_VALUES, pa.string()))


def first_failing(text: pa.Array, kind: Any) -> int | None:
    """Give the place of the first text that is no value of a type; None if all are."""
    try:
        text.cast(kind)
    except pa.ArrowInvalid:
        pass
    else:
        return None
    low, high = 0, len(text)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            text.slice(low, middle - low).cast(kind)
            low = middle
        except pa.ArrowInvalid:
            high = middle
    return low


def _other_kind(values: pa.Array, column: Column | Target) -> SchemaError:
    wanted = type_words(column.type)
    return SchemaError(
        f"Column {column.name!r} has {type_words(str(values.type))} in each row, where "
        f"the schema has {wanted}.\n"
        "Its values do not mean what they meant in training.\n"
        f"Give it {wanted}, or train again on such data."
    )


def places(values: pa.Array) -> npt.NDArray[Any]:
    """Give the place of each value in its dictionary; the end where one is missing."""
    indices = values.indices
    if indices.null_count:
        indices = indices.fill_null(scalar(len(values.dictionary), indices.type))
    return numpy_of(indices)
