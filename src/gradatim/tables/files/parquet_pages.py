"""What a Parquet file unpacks to, told before any of it is unpacked.

The footer of a file says how much its columns hold, and pyarrow does not compare that
with the pages: a page of 100 kB may hold 2 GB, whatever the footer says. So the headers
of the pages are read here, wherever a page can hold far more than the file has.

pyarrow shows no headers of pages; and where what the footer says of a part of a column
is damaged, pyarrow 26 ends the process when it is asked for it. So both are read here.

Source: https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from gradatim.tables.files.thrift import I32, I64, LIST, STRUCT, Struct, Thrift

__all__ = ["DELTAS", "Chunk", "Leaf", "chunks_of", "unpacked_bytes"]

SLIGHTLY_PACKED = (0, 1)
"""Codecs whose pages hold little more than their bytes: not packed, and Snappy, which
unpacks three bytes to 64 at most."""
DICTIONARY_PAGE = 2
VALUES_OF_PAGE = {0: (5, 2), 3: (8, 4)}
"""For the two kinds of pages of values, where their header describes the values, and
where it says there how they are encoded."""
PLAIN, DELTA_LENGTH, DELTA_PREFIX = 0, 6, 7
DICTIONARIES = (2, 8)
"""How bytes may be encoded: one after the other, with lengths apart, by what differs
from the value before, and by their places in a dictionary."""
DELTAS = (DELTA_LENGTH, DELTA_PREFIX)
"""Encodings of bytes from which pyarrow cannot make a dictionary."""
HEADER_BYTES = (1 << 10, 1 << 17, 1 << 24)
"""So many bytes are tried for the header of a page; pyarrow allows as many at most."""

BYTES_A_VALUE = {
    "BOOLEAN": 1,
    "INT32": 4,
    "INT64": 8,
    "INT96": 8,
    "FLOAT": 4,
    "DOUBLE": 8,
    "BYTE_ARRAY": 8,  # where it begins, or its place among the different ones
}
"""What a value takes in memory, by the type that Parquet stores it with."""
DECIMAL_BYTES = 32
"""What a decimal takes at most, however short it is stored."""
LEVEL_BYTES = 8
"""What each level of lists adds to each value: where the list begins and ends."""


class Leaf(NamedTuple):
    """A column, or what lies innermost in one of lists and structs."""

    physical_type: str
    length: int
    """The bytes of a value, if they have one length."""
    num_levels: int
    """How many lists lie within each other."""
    is_decimal: bool
    is_shared: bool
    """Each different value is kept once, and rows have its place."""


class Chunk(NamedTuple):
    """What the footer says of the part of a leaf that a group of rows has."""

    codec: int
    encodings: frozenset[int]
    start: int
    packed_bytes: int
    num_bytes: int
    """Unpacked, as the footer has it."""
    num_values: int


class _Page(NamedTuple):
    kind: int
    encoding: int
    num_bytes: int
    num_values: int


def chunks_of(path: Path) -> list[tuple[int, list[Chunk]]]:
    """Read from the footer, for each group, its number of rows and its chunks.

    Raises:
        ValueError: The footer is damaged.
    """
    with path.open("rb") as file:
        end = file.seek(-8, os.SEEK_END)
        size = int.from_bytes(file.read(4), "little")
        file.seek(end - size)
        content = file.read(size)
    try:
        groups = Thrift(content).struct()[4, LIST]
        return [
            (_count(group, 3, I64), [_chunk(column) for column in group[1, LIST]])
            for group in groups
        ]
    except (IndexError, KeyError, TypeError) as error:
        raise ValueError(f"its footer is damaged: {error!r}") from error


def unpacked_bytes(
    path: Path,
    leaves: Sequence[Leaf],
    groups: Sequence[tuple[int, Sequence[Chunk]]],
    most: float,
) -> int:
    """Say what the columns take in memory; counting ends at ``most``.

    Raises:
        ValueError: Footer and pages do not belong together.
    """
    packed = sum(chunk.packed_bytes for _, chunks in groups for chunk in chunks)
    are_apart = packed <= path.stat().st_size
    total = 0
    with path.open("rb") as file:
        for num_rows, chunks in groups:
            for leaf, chunk in zip(leaves, chunks, strict=True):
                is_plain = leaf.num_levels == 0 and (
                    leaf.is_shared or leaf.physical_type != "BYTE_ARRAY"
                )
                if is_plain and are_apart and chunk.codec in SLIGHTLY_PACKED:
                    total += num_rows * _width(leaf) + chunk.num_bytes
                    continue
                total += num_rows * _width(leaf)
                for num_bytes in _bytes_of_pages(file.fileno(), leaf, chunk):
                    total += num_bytes
                    if total > most:
                        return total
    return total


def _width(leaf: Leaf) -> int:
    width = BYTES_A_VALUE.get(leaf.physical_type, leaf.length)
    if leaf.is_decimal:
        width = max(width, DECIMAL_BYTES)
    return width + LEVEL_BYTES * leaf.num_levels


def _bytes_of_pages(file: int, leaf: Leaf, chunk: Chunk) -> Iterator[int]:
    """Say of each page of a chunk what it unpacks to and what its values take.

    Values of a dictionary that are not shared may all be its largest one; those that
    are encoded by what differs from the one before may all be as long as the page.
    """
    dictionary_bytes = 0
    for page in _pages(file, chunk):
        num_bytes = page.num_bytes
        if leaf.num_levels:
            num_bytes += page.num_values * _width(leaf)
        if page.kind == DICTIONARY_PAGE:
            dictionary_bytes = page.num_bytes
        elif leaf.physical_type == "BYTE_ARRAY" and not leaf.is_shared:
            if page.encoding in DICTIONARIES:
                num_bytes += page.num_values * dictionary_bytes
            elif page.encoding not in (PLAIN, DELTA_LENGTH):
                num_bytes += page.num_values * page.num_bytes
        yield num_bytes


def _pages(file: int, chunk: Chunk) -> Iterator[_Page]:
    """Read headers of pages until the chunk has all its values, as pyarrow does."""
    place, num_values = chunk.start, 0
    while num_values < chunk.num_values:
        header, header_bytes = _header(file, place)
        kind = _count(header, 1, I32)
        encoding, page_values = PLAIN, 0
        if kind in VALUES_OF_PAGE:
            of_values, of_encoding = VALUES_OF_PAGE[kind]
            about = header.get((of_values, STRUCT), {})
            encoding = _count(about, of_encoding, I32)
            page_values = _count(about, 1, I32)
        yield _Page(kind, encoding, _count(header, 2, I32), page_values)
        num_values += page_values
        place += header_bytes + _count(header, 3, I32)


def _header(file: int, place: int) -> tuple[Struct, int]:
    for size in HEADER_BYTES:
        reader = Thrift(os.pread(file, size, place))
        try:
            return reader.struct(), reader.place
        except IndexError:
            continue
    raise ValueError(f"the header of a page at byte {place:,} is cut off")


def _chunk(column: Struct) -> Chunk:
    about = column[3, STRUCT]
    start = _count(about, 9, I64)
    dictionary = about.get((11, I64), 0)
    return Chunk(
        codec=_count(about, 4, I32),
        encodings=frozenset(about[2, LIST]),
        start=dictionary if 0 < dictionary < start else start,
        packed_bytes=_count(about, 7, I64),
        num_bytes=_count(about, 6, I64),
        num_values=_count(about, 5, I64),
    )


def _count(fields: Struct, number: int, kind: int) -> Any:
    value = fields.get((number, kind), -1)
    if not 0 <= value < 1 << (31 if kind == I32 else 63):
        raise ValueError(f"a size or a place is not there, or is {value:,}")
    return value
