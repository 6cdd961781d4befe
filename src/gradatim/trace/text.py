"""A trace as plain text, with columns that are aligned by spaces."""

from collections.abc import Sequence

from gradatim.text import printable
from gradatim.trace.sections import Section

__all__ = ["as_text"]


def as_text(sections: Sequence[Section]) -> str:
    """Write the sections below each other; no line is cut."""
    return "\n\n".join(_section(section) for section in sections)


def _section(section: Section) -> str:
    lines = [section.title, "=" * len(section.title), *section.before]
    if section.rows:
        lines += _table(section)
    return "\n".join(printable(line) for line in [*lines, *section.after])


def _table(section: Section) -> list[str]:
    """Write the lines of a table; texts stand at the left, numbers at the right."""
    rows = [section.headers, *section.rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if place < section.text_columns else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines
