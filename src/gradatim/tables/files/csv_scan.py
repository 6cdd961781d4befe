r"""The records of a delimited text file, with the line each one begins on.

pyarrow reads fast but counts rows, not lines, and takes some damage in silence. This
reader is slow, strict and right about lines; it runs where pyarrow has failed, and
where a file has quotes that do not pair up.

The grammar is RFC 4180's with any one-character separator: a field that begins with
``"`` ends at the next ``"`` that is not doubled, and a separator or a line end must
follow. A ``"`` inside an unquoted field is a character like others. Lines end with
``\n``, ``\r\n`` or ``\r``; empty ones are skipped, and counted.
"""

import gzip
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gradatim.errors import FileReadError

__all__ = ["Record", "open_bytes", "open_text", "records"]


@dataclass(frozen=True, slots=True)
class Record:
    """One row of the file as text."""

    line: int
    """Where it begins, counted from 1 as an editor does."""
    fields: list[str]


def open_bytes(path: Path) -> io.BufferedReader:
    """Open ``path``, unpacking ``.gz`` on the way."""
    if path.suffix.lower() == ".gz":
        return io.BufferedReader(gzip.open(path))
    return path.open("rb")


def open_text(path: Path) -> io.TextIOWrapper:
    """Open ``path`` as UTF-8; bytes that are not become surrogates to be found."""
    return io.TextIOWrapper(
        open_bytes(path), encoding="utf-8-sig", errors="surrogateescape", newline=""
    )


def records(path: Path, separator: str) -> Iterator[Record]:
    r"""Give the records of a file, the header first.

    Raises:
        FileReadError: A byte that is not UTF-8, a quote never closed or text after a
            closing quote, with the line.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "a.csv")
    >>> _ = path.write_text('name,size\n\n"two\nlines",3\n')
    >>> [(record.line, record.fields) for record in records(path, ",")]
    [(1, ['name', 'size']), (3, ['two\nlines', '3'])]
    """
    with open_text(path) as file:
        lines = _Lines(path, file)
        for text in lines:
            body = text.rstrip("\r\n")
            if not body:
                continue
            start = lines.number
            if '"' in body:
                yield Record(start, _quoted_fields(text, separator, lines))
            else:
                yield Record(start, body.split(separator))


class _Lines:
    """The physical lines of a file, counted and checked to be UTF-8."""

    def __init__(self, path: Path, file: io.TextIOWrapper) -> None:
        self.path = path
        self.number = 0
        self._lines = iter(file)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        text = next(self._lines)
        self.number += 1
        if not text.isascii():
            self._check_utf8(text)
        return text

    def _check_utf8(self, text: str) -> None:
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            byte = ord(text[error.start]) - 0xDC00
            raise FileReadError(
                f"{self.path}, line {self.number}, character {error.start + 1}: "
                f"the byte 0x{byte:02X} is not UTF-8.\n"
                "Read in a guessed encoding, names and categories would differ from "
                "those of the next file.\n"
                "Save it as UTF-8, for example with: "
                f"iconv -f WINDOWS-1252 -t UTF-8 {self.path.name}"
            ) from None


def _quoted_fields(text: str, separator: str, lines: _Lines) -> list[str]:
    fields = []
    position = 0
    while True:
        if text.startswith('"', position):
            value, text, position = _quoted_field(text, position, separator, lines)
        else:
            body = text.rstrip("\r\n")
            end = body.find(separator, position)
            end = len(body) if end < 0 else end
            value, position = body[position:end], end
        fields.append(value)
        if not text.startswith(separator, position):
            return fields
        position += 1


def _quoted_field(
    text: str, position: int, separator: str, lines: _Lines
) -> tuple[str, str, int]:
    """Read on from the opening quote; return value, last line read, place after."""
    opened, shown = lines.number, text[position : position + 20].strip()
    parts = []
    position += 1
    while True:
        end = text.find('"', position)
        if end < 0:
            parts.append(text[position:])
            text, position = next(lines, ""), 0
            if not text:
                raise _never_closed(lines.path, opened, shown)
        elif text.startswith('""', end):
            parts.append(text[position : end + 1])
            position = end + 2
        else:
            parts.append(text[position:end])
            break
    after = text[end + 1 : end + 2]
    if after and after not in (separator, "\r", "\n"):
        raise _text_after_quote(lines, opened, shown, text[end + 1 : end + 11])
    return "".join(parts), text, end + 1


def _never_closed(path: Path, line: int, shown: str) -> FileReadError:
    return FileReadError(
        f"{path}, line {line}: the quote that opens {shown!r} is never closed.\n"
        "All rows after it would be swallowed as one value.\n"
        'Close the quote, or double it ("") where it is part of the text.'
    )


def _text_after_quote(
    lines: _Lines, opened: int, shown: str, after: str
) -> FileReadError:
    return FileReadError(
        f"{lines.path}, line {lines.number}: {after.strip()!r} follows a closing "
        f"quote; that quote was opened on line {opened}, at {shown!r}.\n"
        "A quote left open makes the rows up to the next one a single value.\n"
        'Close the quote where it belongs, or double it ("") where it is text.'
    )
