"""Lines of a text file that are no rows of its table, left out where that is asked for.

They become empty lines, which readers skip and count, so that lines keep their numbers.
"""

import io
from collections.abc import Collection, Iterator
from dataclasses import replace

from gradatim.errors import FileReadError
from gradatim.tables.files.csv_dialect import Dialect
from gradatim.tables.files.csv_odd_rows import totals
from gradatim.tables.files.csv_records import Record, records
from gradatim.tables.files.csv_types import read_commas, read_inferred
from gradatim.tables.files.text_file import TextFile

__all__ = ["without_bad_lines"]

MOST_NAMED = 5
"""At most so many lines are named in the notice."""


def without_bad_lines(dialect: Dialect) -> Dialect:
    """Leave out headers again, totals, and lines with another number of fields.

    Raises:
        FileReadError: No row is left, or the file is damaged in another way.
    """
    bad: dict[int, str] = {}
    lines: set[int] = set()
    num_rows = 0
    for record in _rows(dialect):
        if why := _why_no_row(dialect, record):
            bad[record.line] = why
            lines.update(range(record.line, record.last_line + 1))
        else:
            num_rows += 1
    if num_rows == 0:
        line, why = next(iter(bad.items()))
        raise FileReadError(
            f"{dialect.path} has no line that is a row: line {line} {why}, and no "
            "other one is better.\n"
            f"The separator taken is {dialect.separator!r}; nothing would be left.\n"
            "Check the header."
        )
    plain = _without(dialect, lines)
    table = read_commas(plain) or read_inferred(plain)
    if found := totals(table):
        for row, record in enumerate(_rows(plain)):
            if row in found:
                bad[record.line] = found[row]
                lines.update(range(record.line, record.last_line + 1))
        plain = _without(dialect, lines)
    return replace(plain, notes=(*dialect.notes, _note(bad))) if bad else dialect


def _rows(dialect: Dialect) -> Iterator[Record]:
    of_file = records(dialect.text, dialect.separator)
    next(of_file)  # the header
    return of_file


def _why_no_row(dialect: Dialect, record: Record) -> str | None:
    fields, names = record.fields, dialect.names
    if len(fields) != len(names):
        fields_ = f"{len(fields)} field{'s' * (len(fields) != 1)}"
        return f"has {fields_} where {dialect.first} has {len(names)}"
    pairs = zip(fields, names, strict=True)
    if all(field == name for field, name in pairs if name.strip()):
        return "repeats the header"
    return None


def _note(bad: dict[int, str]) -> str:
    each = "; ".join(f"line {line:,} {bad[line]}" for line in sorted(bad)[:MOST_NAMED])
    more = f"; and {len(bad) - MOST_NAMED:,} more" if len(bad) > MOST_NAMED else ""
    lines = "1 line is" if len(bad) == 1 else f"{len(bad):,} lines are"
    return f"{lines} left out, and no row of the table or of answers: {each}{more}"


def _without(dialect: Dialect, lines: Collection[int]) -> Dialect:
    if not lines:
        return dialect
    return replace(dialect, text=dialect.text.rewritten(_emptied(dialect.text, lines)))


def _emptied(text: TextFile, lines: Collection[int]) -> Iterator[bytes]:
    """Give a text with some lines empty, which are counted as ``records`` does."""
    with io.TextIOWrapper(text.open(), encoding="utf-8-sig", newline="") as file:
        for number, line in enumerate(file, text.first_line):
            if number in lines:
                line = line[len(line.rstrip("\r\n")) :]
            yield line.encode()
