"""How one delimited text file is written: its separator, header and quotes.

This is found out anew for every file: a schema does not hold the separator of the
training file. Decimal commas are a matter of each column: ``schema.as_written`` finds
them out, and the schema holds them.
"""

import itertools
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gradatim.errors import FileReadError
from gradatim.tables.files.column_source import check_names
from gradatim.tables.files.csv_layout import SEPARATORS, decoded, headed, laid_out
from gradatim.tables.files.csv_records import records
from gradatim.tables.files.packing import inner_name
from gradatim.tables.files.text_file import TextFile
from gradatim.text import listed

__all__ = ["Dialect", "look_at"]

# Both numbers were chosen by hand, not measured.
DECIMAL_SIGN_ROWS = 100
"""The decimal sign of columns of plain numbers is told from this many rows."""
HEAD_BYTES = 1 << 16
"""What a file is, and its separator, are told from this many bytes at its start."""

CERTAIN_COMMA = re.compile(r"[+-]?\d+,(?:\d{1,2}|\d{4,})")
"""A number whose comma does not stand between thousands."""
DECIMAL = re.compile(r"[+-]?\d+([.,])\d+")
"""A number with a decimal sign."""

NUMBER = re.compile(r"\s*[+-]?\d+(?:[.,]\d+)?\s*")
"""A number, as no column is named, but for years."""

MAGIC = {
    b"PK\x03\x04": "a zip archive, such as an Excel workbook",
    b"PAR1": "a Parquet file",
    b"\x1f\x8b": "a gzip archive",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"SQLite format 3": "a SQLite database",
}
"""The first bytes of files that are no delimited text in UTF-8, and what they are."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """What has to be known of a text file before its columns can be read."""

    text: TextFile
    separator: str
    names: tuple[str, ...]
    """The header."""
    marks: tuple[tuple[int, int], ...]
    """For each column how many of its first rows have a decimal comma, and how many a
    point. Where the separator is no semicolon, none are counted."""
    missing: tuple[str, ...]
    """Texts that stand for a missing value."""
    commas: Mapping[str, str] = field(default_factory=dict)
    """Columns whose first rows have decimal commas for certain, with an example. A
    comma before three digits may also stand between thousands."""

    notes: tuple[str, ...] = ()
    """What of the file is no part of the table, for people."""

    @property
    def first(self) -> str:
        """What says how many fields a line has, for people."""
        return "the header" if self.text.first_line else "the first row"

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns that have one."""
        return tuple(filter(str.strip, self.names))

    @property
    def path(self) -> Path:
        """The file, which messages name."""
        return self.text.path

    def decimal(self, columns: Collection[str]) -> str:
        """Give the decimal sign that more of the first numbers in some columns have.

        It is for columns that the schema has as plain numbers: a later file may come
        from a spreadsheet that writes commas.
        """
        chosen = [
            marks
            for name, marks in zip(self.names, self.marks, strict=True)
            if name in columns
        ]
        commas, points = (sum(counts) for counts in zip((0, 0), *chosen, strict=True))
        return "," if commas > points else "."


def look_at(
    path: Path,
    missing: Sequence[str],
    encoding: str | None = None,
    *,
    no_header: bool | None = None,
) -> Dialect:
    """Find out how a text file is written, and that it is one.

    The separator is the one of comma, tab, semicolon and bar that the header has most
    of (``.tsv`` and ``.tab`` prefer the tab). With ``no_header`` the first line is a
    row, and the columns are named by their numbers.

    Raises:
        FileReadError: The file is empty, has a header without rows, is no text, has
            column names that are empty or not unique, has unpaired quotes in its first
            rows, or has one column where more are meant.
    """
    text = TextFile.of(path)
    head = _head(text)
    if encoding is not None:
        text = decoded(text, encoding)
        head = _head(text)
    _check_is_text(path, head)
    text, separator, notes = laid_out(text, head, has_header=not no_header)
    head = _head(text)
    _check_no_nul(path, head)
    if no_header:
        text, separator = headed(text, head, separator)
    separator = separator or _separator(path, head)
    rows = records(text, separator)
    header = next(rows, None)
    if header is None:
        raise FileReadError(
            f"{path} is empty: it holds {len(head)} bytes and no header.\n"
            "The first line must name the columns.\n"
            "Check that the program that wrote it has finished."
        )
    names = header.fields
    start = [record.fields for record in itertools.islice(rows, DECIMAL_SIGN_ROWS)]
    if not start:
        raise FileReadError(
            f"{path} has a header ({listed(names)}) and no rows under it.\n"
            "There is nothing to read.\n"
            "Check that the program that wrote it has finished."
        )
    notes += _unnamed(f"{path}, line {header.line}", names, start)
    if len(names) == 1:
        _check_one_column(path, names[0], start[0][0])
    marks = _marks(start, len(names)) if separator == ";" else ((0, 0),) * len(names)
    commas = _certain_commas(start, names) if separator == ";" else {}
    return Dialect(
        text, separator, tuple(names), marks, tuple(missing), commas, tuple(notes)
    )


def _unnamed(
    where: str, names: Sequence[str], rows: Sequence[Sequence[str]]
) -> list[str]:
    """Say which columns without a name are left out: an index, and empty ones."""
    notes = []
    for place, name in enumerate(names):
        if name.strip() or len(names) == 1:
            continue
        values = [row[place] for row in rows if place < len(row)]
        if place == 0:
            example = next((value for value in values if value), "")
            notes.append(
                f"the first column has no name ({example}, ...) and is left out, as "
                "the index of pandas or R; give it a name to use it"
            )
        elif not any(value.strip() for value in values):
            notes.append(f"column {place + 1} has neither name nor values: left out")
        else:
            _check_header(where, names)
    _check_header(where, [name for name in names if name.strip()] or names)
    if len(names) > 1 and all(NUMBER.fullmatch(name) for name in names):
        notes.append(
            f"the columns are named {listed(names)}: if the file has no header, its "
            "first row was taken for one; --no-header takes it as a row"
        )
    return notes


def _check_header(where: str, names: Sequence[str]) -> None:
    """Check names, and say what to do where they may be a row."""
    try:
        check_names(where, names)
    except FileReadError as error:
        if not any(NUMBER.fullmatch(name) for name in names):
            raise
        raise FileReadError(
            f"{error}\nIf the file has no header, say so: --no-header."
        ) from None


def _certain_commas(
    rows: Sequence[Sequence[str]], names: Sequence[str]
) -> dict[str, str]:
    """Find the columns of numbers in which a comma can be the decimal sign alone."""
    found = {}
    for name, values in zip(names, zip(*rows, strict=False), strict=False):
        certain = [value for value in values if CERTAIN_COMMA.fullmatch(value.strip())]
        if certain and not any("." in value for value in values):
            found[name] = certain[0].strip()
    return found


def _marks(rows: Sequence[Sequence[str]], width: int) -> tuple[tuple[int, int], ...]:
    """Count for each column the rows with a decimal comma, and those with a point."""
    commas, points = Counter[int](), Counter[int]()
    for row in rows:
        for place, value in enumerate(row):
            if match := DECIMAL.fullmatch(value.strip()):
                (commas if match[1] == "," else points)[place] += 1
    return tuple((commas[place], points[place]) for place in range(width))


def _head(text: TextFile) -> bytes:
    try:
        with text.open() as file:
            return file.read(HEAD_BYTES)
    except OSError as error:
        raise FileReadError(
            f"{text.path} cannot be opened: {error}.\n"
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


def _check_no_nul(path: Path, head: bytes) -> None:
    if b"\0" in head:
        raise FileReadError(
            f"{path} has a NUL byte at position {head.index(0)}: it is no text.\n"
            "Its bytes would be read as garbage columns.\n"
            "Save it as CSV in UTF-8."
        )


def _separator(path: Path, head: bytes) -> str:
    start = head.decode("utf-8-sig", errors="replace").lstrip("\r\n")
    header = start.splitlines()[0] if start else ""
    unquoted = "".join(header.split('"')[::2])
    counts = Counter(char for char in unquoted if char in SEPARATORS)
    name = inner_name(path)
    order = ("\t", *SEPARATORS) if name.endswith((".tsv", ".tab")) else SEPARATORS
    return max(order, key=lambda separator: counts[separator])


def _check_one_column(path: Path, name: str, value: str) -> None:
    parts = len(name.split())
    if parts > 1 and len(value.split()) == parts:
        raise FileReadError(
            f"{path} has one column, named {name!r}: none of comma, tab, semicolon and "
            "bar is in its header.\n"
            f"It looks like {parts} columns with spaces between them.\n"
            "Save it with commas or tabs as separators."
        )
