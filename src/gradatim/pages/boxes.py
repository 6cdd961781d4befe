"""Pictures of boxes: in rows, such as a mask or the rows of a batch, or in outlines."""

from collections.abc import Sequence

from gradatim.pages.charts import COLOURS, framed
from gradatim.pages.page import escaped

__all__ = ["Cell", "cells", "numbered", "outline"]

Cell = tuple[str, str]
"""The text in a box, and its colour; a box without a colour is only a border."""

# These were chosen by hand, not measured.
TITLE_HEIGHT_PX = 24  # above the boxes
MIN_WIDTH_PX = 240  # of the narrowest picture
# About the width of a letter in a title, an outline and a legend:
TITLE_LETTER_PX = 7.0
OUTLINE_LETTER_PX = 6.9
LEGEND_LETTER_PX = 6.6


def cells(
    rows: Sequence[tuple[str, Sequence[Cell]]],
    *,
    title: str,
    legend: Sequence[tuple[str, str]] = (),
    width: float = 40,
    height: float = 26,
    left: float = 70,
) -> str:
    """Draw rows of boxes below each other.

    Args:
        rows: For each row the text before it, and its boxes.
        title: The text above; a screen reader says it too.
        legend: What a colour means, and the colour.
        width: The width of a box in pixels.
        height: The height of a box in pixels.
        left: Pixels for the texts before the rows.

    >>> "dropped" in cells([("out", [("0", "gray")])], title="dropped")
    True
    """
    parts = []
    for place, (name, boxes) in enumerate(rows):
        y = TITLE_HEIGHT_PX + place * (height + 4)
        middle = y + height / 2 + 4
        parts.append(_text(left - 8, middle, name, ' text-anchor="end"'))
        for number, (text, colour) in enumerate(boxes):
            x = left + number * width
            parts.append(_rect(x, y, width - 3, height, 3, colour))
            if text:
                style = ' text-anchor="middle" font-size="11"'
                parts.append(_text(x + (width - 3) / 2, middle, text, style))
    most = max((len(boxes) for _, boxes in rows), default=0)
    wide = max(left + most * width, TITLE_LETTER_PX * len(title), MIN_WIDTH_PX)
    tall = TITLE_HEIGHT_PX + len(rows) * (height + 4)
    below, added = _legend(legend, tall + 12, wide)
    return framed("".join(parts) + below, wide, tall + added, title)


def numbered(
    colours: Sequence[str], per_line: int = 10, *, after: str = "-"
) -> list[tuple[str, list[Cell]]]:
    """Give rows of boxes for :func:`cells`, with numbers from 0 on in the boxes.

    Args:
        colours: For each box its colour.
        per_line: The number of boxes in a row.
        after: What follows the first number of a row, in the text before the row.

    >>> numbered(["blue", "red", ""], 2)
    [('0-', [('0', 'blue'), ('1', 'red')]), ('2-', [('2', '')])]
    """
    boxes = [(str(number), colour) for number, colour in enumerate(colours)]
    return [
        (f"{first}{after}", boxes[first : first + per_line])
        for first in range(0, len(boxes), per_line)
    ]


def outline(
    lines: Sequence[tuple[int, str, str]],
    *,
    title: str,
    legend: Sequence[tuple[str, str]] = (),
) -> str:
    """Draw boxes below each other, indented by their depth.

    Args:
        lines: For each box its depth, text and colour.
        title: The text above; a screen reader says it too.
        legend: What a colour means, and the colour. Colours that no box has are left
            out.

    >>> outline([(0, "model", ""), (1, "bias", "blue")], title="m").count("<rect")
    2
    """
    parts, wide = [], max(MIN_WIDTH_PX, TITLE_LETTER_PX * len(title))
    for place, (depth, text, colour) in enumerate(lines):
        x, y = 2 + 26 * depth, TITLE_HEIGHT_PX + 30 * place
        room = 18 + OUTLINE_LETTER_PX * len(text)
        wide = max(wide, x + room + 4)
        if depth:
            parts.append(
                f'<path d="M{x - 14} {y - 4}V{y + 12}H{x}" fill="none" '
                'stroke="currentColor" stroke-opacity=".4"/>'
            )
        parts += [_rect(x, y, room, 24, 4, colour), _text(x + 8, y + 16, text)]
    tall = TITLE_HEIGHT_PX + 30 * len(lines)
    colours = {colour for _, _, colour in lines}
    used = [(text, colour) for text, colour in legend if colour in colours]
    below, added = _legend(used, tall + 12, wide)
    return framed("".join(parts) + below, wide, tall + added, title)


def _legend(
    entries: Sequence[tuple[str, str]], top: float, width: float
) -> tuple[str, float]:
    """Write what colours mean, in as many lines as it needs; give also its height."""
    parts, x, y = [], 2.0, top
    for text, colour in entries:
        room = 30 + LEGEND_LETTER_PX * len(text)
        if x > 2 and x + room > width:
            x, y = 2.0, y + 20
        parts += [_rect(x, y - 8, 12, 12, 2, colour), _text(x + 18, y + 2, text)]
        x += room
    return "".join(parts), y - top + 24 if entries else 4.0


def _rect(
    x: float, y: float, width: float, height: float, radius: int, colour: str
) -> str:
    """Draw a box; one without a colour is only a border."""
    paint = 'fill="none" stroke="currentColor" stroke-opacity=".3"'
    if colour:
        shade = COLOURS[colour]
        paint = f'fill="{shade}" fill-opacity=".35" stroke="{shade}"'
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" '
        f'rx="{radius}" {paint}/>'
    )


def _text(x: float, y: float, text: str, attributes: str = "") -> str:
    return f'<text x="{x:g}" y="{y:g}"{attributes}>{escaped(text)}</text>'
