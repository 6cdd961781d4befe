r"""The records of a delimited text file, with the line on which each begins.

pyarrow counts rows and not lines, and takes some damage in silence. This reader is the
standard library's ``csv.reader`` in its strict mode: slower, strict and right about
lines. It runs where pyarrow has failed, and where quotes do not pair up.

The grammar is RFC 4180's with any one-character separator. A ``"`` inside an unquoted
field is a character like others. Lines end with ``\n``, ``\r\n`` or ``\r``; empty ones
are skipped, and counted.
"""

import contextlib
import csv
import io
import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gradatim.errors import FileReadError
from gradatim.tables.files.text_file import TextFile

__all__ = ["Record", "records"]

MOST_FIELD_CHARACTERS = (1 << 31) - 1
"""The largest limit that ``csv.field_size_limit`` takes on every platform, and the size
of the largest block that pyarrow reads. Python's own limit of 131,072 is too small."""

BLOCK_RECORDS = 100
"""Records that are read while the limit on a field's length is raised. Raised for each
record, a million short rows took 2.5 s of the processor in place of 0.9 s."""

QUOTED = r'"[^"]*+(?:""[^"]*+)*+"'
"""The regular expression of a quoted field; doubled quotes are part of its text."""

_limit_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Record:
    """One row of the file as text."""

    line: int
    """The line on which the row begins, counted from 1 as an editor does."""
    fields: list[str]
    last_line: int
    """The line on which it ends: another one where a value spans lines."""


def records(text: TextFile, separator: str) -> Iterator[Record]:
    r"""Give the records of a file, the header first.

    Raises:
        FileReadError: A byte that is not UTF-8, a quote never closed or text after a
            closing quote, with the line.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "a.csv")
    >>> _ = path.write_text('name,size\n\n"two\nlines",3\n')
    >>> [(record.line, record.fields) for record in records(TextFile(path), ",")]
    [(1, ['name', 'size']), (3, ['two\nlines', '3'])]
    """
    # newline="": csv.reader finds the line ends itself, those inside values included.
    with io.TextIOWrapper(
        text.open(), encoding="utf-8-sig", errors="surrogateescape", newline=""
    ) as file:
        record_lines: list[str] = []
        lines = _utf8_lines(text, file, record_lines)
        reader = csv.reader(lines, delimiter=separator, strict=True)
        failure: FileReadError | None = None
        has_ended = False
        while not has_ended:
            block: list[Record] = []
            with _long_fields_allowed():
                try:
                    while not has_ended and len(block) < BLOCK_RECORDS:
                        record_lines.clear()
                        first_line = reader.line_num + text.first_line
                        fields = next(reader, None)
                        end = reader.line_num + text.first_line
                        has_ended = fields is None
                        if fields:
                            block.append(Record(first_line, fields, end - 1))
                except csv.Error:
                    failure = _bad_quote(text.path, first_line, record_lines, separator)
                except FileReadError as error:
                    failure = error
            yield from block
            if failure is not None:
                raise failure


def _utf8_lines(
    text: TextFile, file: io.TextIOWrapper, record_lines: list[str]
) -> Iterator[str]:
    """Give the lines of a file and keep them in ``record_lines``, for error messages.

    A byte that is not UTF-8 comes as a surrogate, and is an error.
    """
    for number, line in enumerate(file, text.first_line):
        try:
            if not line.isascii():
                line.encode("utf-8")
        except UnicodeEncodeError as error:
            byte = ord(line[error.start]) - 0xDC00
            raise FileReadError(
                f"{text.path}, line {number}, character {error.start + 1}: "
                f"the byte 0x{byte:02X} is not UTF-8.\n"
                "Read in a guessed encoding, names and categories would differ from "
                "those of the next file.\n"
                "Name the encoding, which is often that of Windows: --encoding cp1252; "
                f"or save it as UTF-8: iconv -f WINDOWS-1252 -t UTF-8 {text.path.name}"
            ) from None
        record_lines.append(line)
        yield line


@contextlib.contextmanager
def _long_fields_allowed() -> Iterator[None]:
    """Raise the limit on a field's length for a moment: it is the whole process's."""
    with _limit_lock:
        before = csv.field_size_limit(MOST_FIELD_CHARACTERS)
        try:
            yield
        finally:
            csv.field_size_limit(before)


def _bad_quote(
    path: Path, first_line: int, lines: Sequence[str], separator: str
) -> FileReadError:
    """Say which quote ``csv.reader`` refused: it tells neither its line nor its text.

    The refused record begins on ``first_line``; ``lines`` go up to the damaged one.
    """
    text = "".join(lines)
    end = re.escape(separator)
    whole_fields = re.compile(rf'(?:(?:{QUOTED}|(?!")[^{end}\r\n]*+){end})*+')
    opening = whole_fields.match(text).end()  # type: ignore[union-attr]
    opened_on, rest = _place(first_line, lines, opening)
    shown = rest[:20].strip()
    quoted = re.compile(QUOTED).match(text, opening)
    if quoted is None:
        return FileReadError(
            f"{path}, line {opened_on}: the quote that opens {shown!r} is never "
            "closed.\n"
            "All rows after it would be swallowed as one value.\n"
            'Close the quote, or double it ("") where it is part of the text.'
        )
    line, rest = _place(first_line, lines, quoted.end())
    return FileReadError(
        f"{path}, line {line}: {rest[:10].strip()!r} follows a closing "
        f"quote; that quote was opened on line {opened_on}, at {shown!r}.\n"
        "A quote left open makes the rows up to the next one a single value.\n"
        'Close the quote where it belongs, or double it ("") where it is text.'
    )


def _place(first_line: int, lines: Sequence[str], position: int) -> tuple[int, str]:
    """Give a position in the joined lines as a line number, and that line's rest."""
    for number, line in enumerate(lines, first_line):
        if position < len(line):
            return number, line[position:]
        position -= len(line)
    raise AssertionError("the position lies in one of the lines")
