"""How one delimited text file is written: its separator, header, quotes, decimal sign.

Every file is looked at for itself; a schema holds column names and types, not the
habits of the program that wrote the training file.
"""

import codecs
import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gradatim.errors import FileReadError
from gradatim.tables.files.csv_records import open_bytes, records
from gradatim.text import listed, nearest_name

__all__ = [
    "Dialect",
    "check_names",
    "check_quotes",
    "look_at",
    "may_have_leading_zeros",
]

SEPARATORS = (",", "\t", ";", "|")
"""In the order of preference among equals."""

START_ROWS = 100
"""Looked at for the decimal sign."""

CHUNK_BYTES = 1 << 18
"""What stays in the cache while NumPy goes over it several times."""

MAGIC = {
    b"PK\x03\x04": "a zip archive, such as an Excel workbook",
    b"PAR1": "a Parquet file",
    b"\x1f\x8b": "a gzip archive",
    b"\xff\xfe": "text in UTF-16",
    b"\xfe\xff": "text in UTF-16",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"SQLite format 3": "a SQLite database",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Dialect:
    """What has to be known of a text file before its columns can be read."""

    separator: str
    names: tuple[str, ...]
    """The header."""
    decimal: str = "."
    """``,`` in files that spreadsheets write in much of Europe."""


def look_at(path: Path) -> Dialect:
    """Find out how a text file is written, and that it is one.

    The separator is the one of comma, tab, semicolon and bar that the header has most
    of (``.tsv`` and ``.tab`` prefer the tab). All quotes are checked to pair up:
    pyarrow would read an unclosed one to the end of the file without a word.

    Raises:
        FileReadError: Empty, a header without rows, not text, column names that are
            empty or not unique, unpaired quotes, one column where more are meant.
    """
    head = _head(path)
    _check_is_text(path, head)
    separator = _separator(path, head)
    rows = records(path, separator)
    header = next(rows, None)
    if header is None:
        raise FileReadError(
            f"{path} is empty: it holds {len(head)} bytes and no header.\n"
            "The first line must name the columns.\n"
            "Check that the program that wrote it has finished."
        )
    names = header.fields
    check_names(f"{path}, line {header.line}", names)
    start = [record.fields for record in itertools.islice(rows, START_ROWS)]
    if not start:
        raise FileReadError(
            f"{path} has a header ({listed(names)}) and no rows under it.\n"
            "There is nothing to read.\n"
            "Check that the program that wrote it has finished."
        )
    if len(names) == 1:
        _check_one_column(path, names[0], start[0][0])
    decimal = _decimal(start) if separator == ";" else "."
    return Dialect(separator=separator, names=tuple(names), decimal=decimal)


def _decimal(rows: Sequence[Sequence[str]]) -> str:
    """The sign that more of the numbers have; files with semicolons may have commas."""
    values = [value.strip() for row in rows for value in row]
    commas = sum(re.fullmatch(r"[+-]?\d+,\d+", value) is not None for value in values)
    points = sum(re.fullmatch(r"[+-]?\d+\.\d+", value) is not None for value in values)
    return "," if commas > points else "."


def _head(path: Path) -> bytes:
    try:
        with open_bytes(path) as file:
            return file.read(1 << 16)
    except (OSError, EOFError) as error:
        raise FileReadError(
            f"{path} cannot be opened: {error}.\n"
            "Nothing of it was read.\n"
            "Check the file's permissions and that it is complete."
        ) from error


def _check_is_text(path: Path, head: bytes) -> None:
    for magic, what in MAGIC.items():
        if head.startswith(magic):
            raise FileReadError(
                f"{path} is {what}, not delimited text in UTF-8.\n"
                "Its bytes would be read as garbage columns.\n"
                "Save it as CSV in UTF-8, or give it the suffix of its format."
            )
    if b"\0" in head:
        raise FileReadError(
            f"{path} has a NUL byte at position {head.index(0)}: it is no text.\n"
            "Its bytes would be read as garbage columns.\n"
            "Save it as CSV in UTF-8."
        )


def _separator(path: Path, head: bytes) -> str:
    text = head.decode("utf-8-sig", errors="replace").lstrip("\r\n")
    header = text.splitlines()[0] if text else ""
    unquoted = "".join(header.split('"')[::2])
    counts = Counter(char for char in unquoted if char in SEPARATORS)
    name = path.name.lower().removesuffix(".gz")
    order = ("\t", *SEPARATORS) if name.endswith((".tsv", ".tab")) else SEPARATORS
    return max(order, key=lambda separator: counts[separator])


def check_names(where: str, names: Sequence[str]) -> None:
    """Check that each column has a name, and one of its own.

    Raises:
        FileReadError: With the place or the names.
    """
    empty = [place for place, name in enumerate(names, 1) if not name.strip()]
    if empty:
        raise FileReadError(
            f"{where}: column {empty[0]} of {len(names)} has no name.\n"
            "Columns are matched by name; this one could never be found again.\n"
            "Name it, or leave it out (pandas: to_csv(..., index=False))."
        )
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise FileReadError(
            f"{where}: more than one column is named {listed(repeated)}.\n"
            "Columns are matched by name; either could be meant.\n"
            "Give each column a name of its own."
        )


def check_present(path: Path, names: Sequence[str], columns: Sequence[str]) -> None:
    """Check that a file has columns.

    Raises:
        FileReadError: It lacks one; with the nearest name.
    """
    for column in columns:
        if column not in names:
            raise FileReadError(
                f"{path} has no column {column!r}.{nearest_name(column, names)}\n"
                f"Its columns are {listed(names, most=20)}.\n"
                "Name one of these, or add the column to the file."
            )


def _check_one_column(path: Path, name: str, value: str) -> None:
    parts = len(name.split())
    if parts > 1 and len(value.split()) == parts:
        raise FileReadError(
            f"{path} has one column, named {name!r}: none of comma, tab, semicolon and "
            "bar is in its header.\n"
            f"It looks like {parts} columns with spaces between them.\n"
            "Save it with commas or tabs as separators."
        )


def check_quotes(path: Path, separator: str) -> None:
    """Check that every quote that opens a value is closed where a value may end.

    pyarrow reads an unclosed quote on to the next one, or to the end of the file,
    without a word. A quick look at the bytes beside all quotes clears most files:
    taken in turn, every other quote opens a value and must follow a separator or line
    end; the next one closes it and must be followed by one. (A doubled quote closes
    and opens again, which fits the same rule.) Other files are read record by record.

    Raises:
        FileReadError: With the line on which the quote was opened.
    """
    if not _quotes_pair_up(path, separator):
        for _ in records(path, separator):
            pass  # raises at the damage, or finds that the quotes are only text


def _quotes_pair_up(path: Path, separator: str) -> bool:
    beside = np.zeros(256, dtype=bool)
    beside[[ord(char) for char in f'{separator}\r\n"']] = True
    inside = 0
    for window in _windows(path):
        places = np.flatnonzero(window[1:-1] == ord('"'))
        opening, closing = places[inside::2], places[1 - inside :: 2]
        if not (beside[window[opening]].all() and beside[window[closing + 2]].all()):
            return False
        inside = (inside + len(places)) % 2
    return not inside


def may_have_leading_zeros(path: Path, separator: str) -> bool:
    """Whether any field begins with ``0`` and goes on as ``00501`` or ``0x1F`` do.

    Fields such as ``08:30`` are among those found: a sign to look closer.
    """
    for window in _windows(path):
        before, after = window[:-2], window[2:]
        found = window[1:-1] == ord("0")
        found &= after >= ord("0")
        if separator <= ",":  # as tab, line ends and quotes are
            found &= before <= ord(",")
        else:
            found &= after != ord(separator)
            found &= (before <= ord(",")) | (before == ord(separator))
        if found.any():
            return True
    return False


def _windows(path: Path) -> Iterator[npt.NDArray[np.uint8]]:
    """The bytes of a file in pieces, each with one byte more on either side."""
    with open_bytes(path) as file:
        chunk = file.read(CHUNK_BYTES).removeprefix(codecs.BOM_UTF8)
        before = b"\n"
        while chunk:
            following = file.read(CHUNK_BYTES)
            after = following[:1] or b"\n"
            yield np.frombuffer(before + chunk + after, dtype=np.uint8)
            before, chunk = chunk[-1:], following
