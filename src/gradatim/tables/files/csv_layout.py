r"""What people and programs put around a delimited table, taken away before it is read.

Text in UTF-16 becomes UTF-8. Lines that are no rows become empty lines, which readers
skip and count, so that lines keep their numbers: ``sep=;``, titles before the header,
and comments. Spaces after separators go. All of it is told from the start of the file;
a file with none of it is read as it stands.
"""

import codecs
import csv
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from gradatim.errors import FileReadError
from gradatim.tables.files.text_file import TextFile
from gradatim.text import shown

__all__ = ["SEPARATORS", "decoded", "headed", "laid_out"]

SEPARATORS = (",", "\t", ";", "|")
"""The separators that are known; where two are equally frequent, the first is taken."""
WIDE = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""How text begins that is written in units of two or four bytes. The first that fits
counts: the mark of UTF-16 begins the one of UTF-32, too."""
LOOKED_AT = 100
"""So many records decide what is a title; chosen by hand."""
OTHER_WIDTH = 0.1
"""At most this share of them, or one, has another number of fields than the table;
chosen by hand."""
MARK = "\ufeff"
"""What may stand at the start of a text to show its encoding."""
SEPARATOR_LINE = re.compile(rb"\s*sep=([\t !#-/:-@\[-`{-~])\s*", re.IGNORECASE)
"""What names a separator: one sign of ASCII, and no quote or line end."""
NUMBER = re.compile(r"\s*[-+(]?[$€£]?[.,]?\d.*", re.DOTALL)
"""A value that is a number or a date, as it begins."""

Row = tuple[int, list[str]]
"""The line on which a record begins, counted from 1, and its fields."""


def laid_out(
    text: TextFile, head: bytes, *, has_header: bool = True
) -> tuple[TextFile, str | None, list[str]]:
    """Give the plain table, its separator if a line names it, and what was left out.

    Args:
        text: The file.
        head: Its first bytes.
        has_header: Whether one is there; titles are told by the header below them.

    Raises:
        FileReadError: It begins as UTF-16 does, and is none.
    """
    notes: list[str] = []
    for mark, name in WIDE.items():
        if head.startswith(mark):
            text = text.rewritten(_decoded(text, name))
            with text.open() as file:
                head = file.read(len(head))
            notes.append(f"read as {name.upper()}, which its first bytes say")
            break
    lines = head.removeprefix(codecs.BOM_UTF8).splitlines(keepends=True)
    if b"\r" in head and b"\n" not in head:
        return text, None, notes  # of old Macs; nothing of this is known there
    first = next((n for n, line in enumerate(lines) if line.strip()), None)
    if first is None:
        return text, None, notes
    separator = None
    num_before = 0
    if match := SEPARATOR_LINE.fullmatch(lines[first]):
        separator, num_before = match[1].decode("latin-1"), first + 1
    start = [line.decode(errors="replace") for line in lines]
    if len(head) > 1 and not head.endswith((b"\n", b"\r")) and len(lines) > 2:
        start.pop()  # it may go on
    comments = _leading_comments(start[num_before:], has_header)
    has_comments = bool(comments)
    if comments:
        num_before += comments
        notes.append(f"{comments} lines that begin with # left out, and later ones")
    titles, found = num_before, separator
    if has_header:
        titles, found = _titles(start, num_before, separator)
    if titles > num_before:
        text_of = [line.strip() for line in start[num_before:titles] if line.strip()]
        more = f" and {len(text_of) - 1} more" if len(text_of) > 1 else ""
        notes.append(
            f"lines before the header left out: {shown(text_of[0])}{more}; the header "
            f"is on line {titles + 1}"
        )
        num_before, separator = titles, found
    spaced = separator or _most_frequent(start[num_before:])
    spaced = spaced if _has_spaces(start[num_before:], spaced) else None
    if num_before or spaced:
        text = text.rewritten(_without(text, num_before, has_comments, spaced))
    return text, separator, notes


def _decoded(text: TextFile, name: str) -> Iterator[bytes]:
    """Give a text as UTF-8, without its mark."""
    decoder = codecs.getincrementaldecoder(name)()
    try:
        for piece in text.pieces():
            yield decoder.decode(piece).encode()
        yield decoder.decode(b"", final=True).encode()
    except UnicodeError as error:
        raise FileReadError(
            f"{text.path} begins as {name.upper()} does, and is none: {error}.\n"
            "Its bytes would be read as other letters.\n"
            "Save it as CSV in UTF-8."
        ) from error


def decoded(text: TextFile, encoding: str) -> TextFile:
    """Give a text that is in another encoding than UTF-8, as it is named.

    Raises:
        FileReadError: There is no such encoding, or the text is in another one.
    """
    try:
        "".encode(encoding)
        decoder = codecs.getincrementaldecoder(encoding)()
    except (LookupError, ValueError, TypeError) as error:
        raise FileReadError(
            f"{text.path}: {encoding!r} is no encoding of text.\n"
            "Without knowing it, letters cannot be read.\n"
            "Name one such as utf-8, cp1252 (Windows), latin-1, utf-16-le or gbk."
        ) from error

    def pieces() -> Iterator[bytes]:
        place = 0
        try:
            for piece in text.pieces():
                yield decoder.decode(piece).removeprefix(MARK).encode()
                place += len(piece)
            yield decoder.decode(b"", final=True).encode()
        except UnicodeError as error:
            raise FileReadError(
                f"{text.path} is not in {encoding}, after byte {place:,}: {error}.\n"
                "Its bytes would be read as other letters.\n"
                "Name another encoding, or save the file as UTF-8."
            ) from error

    return text.rewritten(pieces())


def headed(
    text: TextFile, head: bytes, separator: str | None
) -> tuple[TextFile, str | None]:
    """Put a header before a text that has none, as line 0; give its separator, too.

    Without names to tell it, the separator is the first that parts all rows alike.
    Commas may be decimal, and come last.
    """
    start = head.decode("utf-8-sig", errors="replace").splitlines(keepends=True)
    rows: list[Row] = []
    for each in [separator] if separator else [*SEPARATORS[1:], SEPARATORS[0]]:
        rows = _rows(start, each)
        same = {len(fields) for _, fields in rows[: max(1, len(rows) - 1)]}
        if len(same) == 1 and same != {1}:
            separator = each
            break
    separator = separator or _most_frequent(start)
    rows = _rows(start, separator)
    if not rows:
        return text, separator
    names = [f"column_{number}" for number in range(1, len(rows[0][1]) + 1)]

    def pieces() -> Iterator[bytes]:
        yield f"{separator.join(names)}\n".encode()
        for number, piece in enumerate(text.pieces()):
            yield piece if number else piece.removeprefix(codecs.BOM_UTF8)

    return replace(text.rewritten(pieces()), first_line=0), separator


def _rows(lines: Iterable[str], separator: str) -> list[Row]:
    """Give the first records, as far as their quotes can be followed."""
    reader = csv.reader(lines, delimiter=separator)
    rows: list[Row] = []
    line = 1
    try:
        while len(rows) < LOOKED_AT:
            fields = next(reader, None)
            if fields is None:
                break
            if fields:
                rows.append((line, fields))
            line = reader.line_num + 1
    except csv.Error:
        pass  # the reading will tell the line
    return rows


def _most_frequent(lines: Sequence[str]) -> str:
    """Give the separator that the first line with something on it has most of."""
    header = next((line for line in lines if line.strip()), "")
    unquoted = "".join(header.split('"')[::2])
    return max(SEPARATORS, key=unquoted.count)


def _leading_comments(lines: Sequence[str], has_header: bool) -> int:
    """Count the lines at the start that are comments.

    The last line with a ``#`` may be the header: where it has as many fields as the
    rows below, of which it names columns of numbers.
    """
    first = itertools.takewhile(lambda line: line[:1] in "#\r\n", lines)
    count = len(list(first))
    marked = [n for n in range(count) if lines[n].startswith("#")]
    if not marked:
        return 0
    last = marked[-1]
    separator = _most_frequent(lines[last:])
    rows = [fields for _, fields in _rows(lines[last:], separator)]
    is_header = has_header and len(rows) > 1 and len(rows[0]) == len(rows[1]) > 1
    if is_header and _names_numbers(rows[0], rows[1:]):
        return last if len(marked) > 1 else 0
    return last + 1


def _names_numbers(header: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Say whether a record has words where most others have numbers."""
    for place, name in enumerate(header):
        if not name.strip() or NUMBER.fullmatch(name):
            continue
        values = [row[place] for row in rows if place < len(row) and row[place].strip()]
        numbers = sum(NUMBER.fullmatch(value) is not None for value in values)
        if values and 2 * numbers > len(values):
            return True
    return False


def _titles(
    lines: Sequence[str], num_before: int, separator: str | None
) -> tuple[int, str | None]:
    """Count the lines before the header, and give the separator below them.

    A title has fewer fields than nearly all other records, and the first record that
    has as many names columns of numbers.
    """
    body = lines[num_before:]
    first = separator or _most_frequent(body)
    for each in dict.fromkeys((first, *((separator,) if separator else SEPARATORS))):
        rows = _rows(body, each)
        if len(rows) < 3:
            continue
        widths = Counter(len(fields) for _, fields in rows[1:])
        width = widths.most_common(1)[0][0]
        if each == first and len(rows[0][1]) >= width and width > 1:
            return num_before, separator
        header = next(n for n, (_, fields) in enumerate(rows) if len(fields) == width)
        below = rows[header + 1 :]
        same = sum(len(fields) == width for _, fields in below)
        most_others = max(1, OTHER_WIDTH * len(below))
        is_table = width > 1 and below and len(below) - same <= most_others
        if not (header and is_table):
            continue
        if any(len(fields) > width for _, fields in rows[:header]):
            continue
        if _names_numbers(rows[header][1], [fields for _, fields in below]):
            return num_before + rows[header][0] - 1, each
    return num_before, separator


def _has_spaces(lines: Sequence[str], separator: str) -> bool:
    """Say whether a space follows each separator, in the header and below."""
    rows = [fields[1:] for _, fields in _rows(lines, separator)]
    if not rows or not rows[0] or separator == "\t":
        return False
    return all(not field or field.startswith(" ") for row in rows for field in row)


def _without(
    text: TextFile, num_before: int, has_comments: bool, spaced: str | None
) -> Iterator[bytes]:
    """Give the lines of a text, some of them empty, and without spaces in between."""
    is_inside = False  # of a quoted value
    after = re.compile(re.escape((spaced or ",").encode()) + b" +")
    end = (spaced or ",").encode()
    with text.open() as file:
        for number, line in enumerate(file):
            if number < num_before:
                yield b"\n"
                continue
            if has_comments and not is_inside and line.startswith(b"#"):
                yield b"\n"
                continue
            num_quotes = line.count(b'"')
            if spaced is not None and not (num_quotes or is_inside):
                line = after.sub(end, line)
            elif spaced is not None:
                parts = line.split(b'"')
                for place in range(int(is_inside), len(parts), 2):
                    parts[place] = after.sub(end, parts[place])
                line = b'"'.join(parts)
            is_inside ^= bool(num_quotes % 2)
            yield line
