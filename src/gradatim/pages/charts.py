"""Charts as SVG text: axes with points and lines, and bars.

SVG is drawn fast while a slider moves, and takes little room in a page.
"""

import math
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from torch import Tensor

from gradatim.pages.page import escaped, name_of

__all__ = ["COLOURS", "Chart", "bars", "beside", "circle", "framed"]

COLOURS = {
    "blue": "#3b82f6",
    "orange": "#ea7317",
    "green": "#2f9e44",
    "red": "#e03131",
    "violet": "#8b5cf6",
    "gray": "#8a94a0",
}
# These were chosen by hand, not measured. First the room around the axes:
LEFT_PX = 52  # for numbers
RIGHT_PX = 12
TOP_PX = 26  # for the title
BOTTOM_PX = 58  # for numbers, label and legend
HALF_DIGIT_PX = 3.6  # about half the width of a digit
LEGEND_LETTER_PX = 6.4  # about the width of a letter in the legend
MAX_LINE_POINTS = 400  # A longer line is drawn through so many points.
MAX_PX = 1e4  # Points are drawn at most so far outside.

Numbers = Sequence[float] | Tensor


class Chart:
    """Axes with points and lines in them.

    Args:
        x: Where the axis of x begins and ends.
        y: Where the axis of y begins and ends.
        title: The text above; a screen reader says it too.
        x_label: The text below the axes.
        y_label: The text at the left.
        width: The width of the whole picture in pixels.
        height: The height of the whole picture in pixels.
        log_x: Whether equal steps along the axis of x are equal factors.
        log_y: Whether equal steps along the axis of y are equal factors.
        y_ticks: Whether numbers stand at the left.

    >>> chart = Chart((0, 1), (0, 3), title="a line")
    >>> _ = chart.line([0, 1], [1, 3], label="y = 1 + 2x")
    >>> chart.svg().startswith('<svg viewBox="0 0 460 320"')
    True
    """

    def __init__(
        self,
        x: tuple[float, float],
        y: tuple[float, float],
        *,
        title: str = "",
        x_label: str = "",
        y_label: str = "",
        width: int = 460,
        height: int = 320,
        log_x: bool = False,
        log_y: bool = False,
        y_ticks: bool = True,
    ) -> None:
        self.x, self.y, self.title = x, y, title
        self.width, self.height = width, height
        # The axes alone, without the room around them:
        self._wide = width - LEFT_PX - RIGHT_PX
        self._high = height - TOP_PX - BOTTOM_PX
        self.log_x, self.log_y = log_x, log_y
        self._labels = x_label, y_label
        self._y_ticks = y_ticks
        self._parts: list[str] = []
        self._legend: list[tuple[str, str, str]] = []

    def points(
        self,
        x: Numbers,
        y: Numbers,
        *,
        label: str = "",
        colour: str = "blue",
        size: float = 3.0,
    ) -> "Chart":
        """Draw dots; those outside of the axes are left out."""
        fill = COLOURS[colour]
        self._parts += [
            circle(self._px(a), self._py(b), size, fill)
            for a, b in _pairs(x, y)
            if self.x[0] <= a <= self.x[1] and self.y[0] <= b <= self.y[1]
        ]
        self._note(label, fill, "dot")
        return self

    def line(
        self,
        x: Numbers,
        y: Numbers,
        *,
        label: str = "",
        colour: str = "orange",
        width: float = 2.0,
        dots: bool = False,
        dashed: bool = False,
    ) -> "Chart":
        """Draw a line through points, with a gap where a number is NaN or infinite."""
        pairs = _thinned(list(_pairs(x, y)))
        stroke = COLOURS[colour]
        for stretch in _finite_stretches(pairs):
            text = " ".join(f"{self._px(a)},{self._py(b)}" for a, b in stretch)
            dash = ' stroke-dasharray="5 4"' if dashed else ""
            self._parts.append(
                f'<polyline points="{text}" fill="none" stroke="{stroke}" '
                f'stroke-width="{width:g}" stroke-linejoin="round"{dash}/>'
            )
        self._note(label, stroke, "dashes" if dashed else "line")
        if dots:
            self.points([p[0] for p in pairs], [p[1] for p in pairs], colour=colour)
        return self

    def block(
        self,
        x: tuple[float, float],
        y: tuple[float, float],
        *,
        label: str = "",
        colour: str = "blue",
    ) -> "Chart":
        """Draw a filled rectangle, such as a piece of a bar."""
        left, right = sorted(map(self._px, x))
        top, bottom = sorted(map(self._py, y))
        fill = COLOURS[colour]
        self._parts.append(
            f'<rect x="{left:g}" y="{top:g}" width="{right - left:.1f}" '
            f'height="{bottom - top:.1f}" fill="{fill}"/>'
        )
        self._note(label, fill, "line")
        return self

    def across(self, y: float, *, label: str = "", colour: str = "gray") -> "Chart":
        """Draw a dashed line from side to side."""
        return self.line(self.x, (y, y), label=label, colour=colour, dashed=True)

    def upright(self, x: float, *, label: str = "", colour: str = "gray") -> "Chart":
        """Draw a dashed line from bottom to top."""
        return self.line((x, x), self.y, label=label, colour=colour, dashed=True)

    def star(self, x: float, y: float, *, label: str = "") -> "Chart":
        """Mark one place with a cross."""
        cx, cy, colour = self._px(x), self._py(y), COLOURS["green"]
        self._parts.append(
            f'<path d="M{cx - 7:g} {cy:g}h14M{cx:g} {cy - 7:g}v14" stroke="{colour}" '
            'stroke-width="3" fill="none"/>'
        )
        self._note(label, colour, "cross")
        return self

    def svg(self) -> str:
        """Give the picture as a text."""
        inside = (
            f'x="{LEFT_PX}" y="{TOP_PX}" width="{self._wide}" height="{self._high}"'
        )
        # Each picture of a page needs a name of its own for what is cut off outside.
        name = name_of("clip", self.title, self.x, self.y, len(self._parts))
        return _picture(
            f'<clipPath id="{name}"><rect {inside}/></clipPath>'
            f'<rect {inside} fill="none" stroke="currentColor" stroke-opacity=".25"/>'
            f'{self._axes()}<g clip-path="url(#{name})">{"".join(self._parts)}</g>'
            f'<text x="{LEFT_PX}" y="16" font-weight="600">{escaped(self.title)}</text>'
            f"{self._legend_below()}",
            self.width,
            self.height,
            self.title or "chart",
        )

    def _px(self, x: float) -> float:
        """Give the pixel of an x."""
        share = _share(x, self.x, is_log=self.log_x)
        return round(min(max(LEFT_PX + self._wide * share, -MAX_PX), MAX_PX), 1)

    def _py(self, y: float) -> float:
        """Give the pixel of a y."""
        share = 1 - _share(y, self.y, is_log=self.log_y)
        return round(min(max(TOP_PX + self._high * share, -MAX_PX), MAX_PX), 1)

    def _note(self, label: str, colour: str, kind: str) -> None:
        """Note what has a label, for the legend."""
        if label:
            self._legend.append((label, colour, kind))

    def _axes(self) -> str:
        """Draw the lines of the grid, their numbers, and the labels of both axes."""
        bottom = self.height - BOTTOM_PX
        parts = []
        for tick in _powers(*self.x) if self.log_x else _ticks(*self.x):
            px, text = self._px(tick), f"{tick:g}"
            # A long number at the last tick would be cut off at the right edge.
            place = min(px, self.width - 1 - HALF_DIGIT_PX * len(text))
            parts.append(
                f'<path d="M{px} {TOP_PX}V{bottom}" stroke="currentColor" '
                f'stroke-opacity=".08"/><text x="{place:g}" y="{bottom + 15}" '
                f'text-anchor="middle" opacity=".75">{text}</text>'
            )
        y_ticks = _powers(*self.y) if self.log_y else _ticks(*self.y)
        for tick in y_ticks if self._y_ticks else ():
            py = self._py(tick)
            parts.append(
                f'<path d="M{LEFT_PX} {py}H{LEFT_PX + self._wide}" '
                'stroke="currentColor" stroke-opacity=".08"/>'
                f'<text x="{LEFT_PX - 6}" y="{py + 4}" '
                f'text-anchor="end" opacity=".75">{tick:g}</text>'
            )
        x_label, y_label = map(escaped, self._labels)
        middle = TOP_PX + self._high / 2
        parts.append(
            f'<text x="{LEFT_PX + self._wide / 2:g}" y="{bottom + 32}" '
            f'text-anchor="middle">{x_label}</text>'
            f'<text transform="translate(12 {middle:g}) rotate(-90)" '
            f'text-anchor="middle">{y_label}</text>'
        )
        return "".join(parts)

    def _legend_below(self) -> str:
        """Write the legend below the axes, from left to right."""
        parts, place, y = [], LEFT_PX, self.height - 6
        for label, colour, kind in self._legend:
            path = {
                "line": f"M{place} {y - 4}h14",
                "dashes": f"M{place} {y - 4}h5m4 0h5",
                "cross": f"M{place + 2} {y - 4}h10m-5 -5v10",
            }.get(kind)
            mark = f'<path d="{path}" stroke="{colour}" stroke-width="3"/>'
            if kind == "dot":
                mark = circle(place + 7, y - 4, 4, colour)
            text = f'<text x="{place + 19}" y="{y}">{escaped(label)}</text>'
            parts.append(mark + text)
            place += 34 + round(LEGEND_LETTER_PX * len(label))
        return "".join(parts)


def bars(
    values: Sequence[tuple[str, float]],
    *,
    title: str,
    colour: str = "blue",
    width: int = 460,
) -> str:
    """Draw named numbers as bars from left to right; NaN and infinity fill the width.

    >>> "37%" in bars([("seen", 0.37)], title="shares").replace("0.37", "37%")
    True
    """
    most = max((abs(v) for _, v in values if math.isfinite(v)), default=1.0) or 1.0
    left, room, row = 150, width - 150 - 80, 26
    parts = []
    for place, (name, value) in enumerate(values):
        y = 30 + row * place
        size = room * min(abs(value), most) / most if math.isfinite(value) else room
        parts.append(
            f'<text x="{left - 8}" y="{y + 14}" text-anchor="end">'
            f"{escaped(name)}</text>"
            f'<rect x="{left}" y="{y}" width="{max(size, 1):.1f}" height="18" rx="3" '
            f'fill="{COLOURS[colour]}"/><text x="{left + size + 6:.1f}" y="{y + 14}" '
            f'opacity=".8">{value:.4g}</text>'
        )
    height = 40 + row * len(values)
    return framed("".join(parts), width, height, title, top=16)


def framed(
    inner: str,
    width: float,
    height: float,
    title: str,
    *,
    left: float = 0,
    top: float = 14,
) -> str:
    """Put SVG into a picture, with its title in the corner.

    The title begins at the pixel ``left``, and its letters stand on the pixel ``top``;
    a screen reader says it too.

    >>> framed("", 10, 20, "t").endswith("</text></svg>")
    True
    """
    at = f'x="{left:g}" y="{top:g}"'
    heading = f'<text {at} font-weight="600">{escaped(title)}</text>'
    return _picture(heading + inner, width, height, title)


def _picture(inner: str, width: float, height: float, label: str) -> str:
    """Put SVG into a picture, which has a name for screen readers."""
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" width="{width:g}" role="img" '
        f'aria-label="{escaped(label)}" style="max-width:100%;height:auto;'
        'font:12px system-ui,sans-serif" fill="currentColor">'
        f"{inner}</svg>"
    )


def circle(x: float, y: float, radius: float, fill: str, attributes: str = "") -> str:
    """Draw a dot at a place in pixels.

    >>> circle(1.5, 2, 3, "red")
    '<circle cx="1.5" cy="2" r="3" fill="red"/>'
    """
    more = f" {attributes}" if attributes else ""
    return f'<circle cx="{x}" cy="{y}" r="{radius:g}" fill="{fill}"{more}/>'


def beside(*pictures: str) -> str:
    """Put pictures side by side; those that find no room stand below."""
    style = "display:flex;flex-wrap:wrap;gap:12px;align-items:flex-start"
    return f'<div style="{style}">{"".join(pictures)}</div>'


def _pairs(x: Numbers, y: Numbers) -> Iterable[tuple[float, float]]:
    def floats(numbers: Any) -> list[float]:
        is_tensor = isinstance(numbers, Tensor)
        flat = numbers.detach().flatten().tolist() if is_tensor else numbers
        return [float(number) for number in flat]

    return zip(floats(x), floats(y), strict=True)


def _share(value: float, ends: tuple[float, float], *, is_log: bool) -> float:
    """Tell how far along an axis a value is: 0 at its beginning, 1 at its end."""
    low, high = ends
    if is_log:
        value, low, high = (math.log10(max(v, 1e-300)) for v in (value, low, high))
    return (value - low) / (high - low)


def _thinned(pairs: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Leave out points of a long line, evenly, and neither the first nor the last."""
    if len(pairs) <= MAX_LINE_POINTS:
        return pairs
    step = (len(pairs) - 1) / (MAX_LINE_POINTS - 1)
    return [pairs[round(step * place)] for place in range(MAX_LINE_POINTS)]


def _finite_stretches(
    pairs: list[tuple[float, float]],
) -> list[list[tuple[float, float]]]:
    """Cut a line where a number is NaN or infinite."""
    groups = groupby(pairs, key=lambda pair: all(map(math.isfinite, pair)))
    return [list(stretch) for is_finite, stretch in groups if is_finite]


def _ticks(low: float, high: float) -> list[float]:
    """Give about five round numbers from ``low`` to ``high``.

    >>> _ticks(0, 1)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(f * power for f in (1, 2, 5, 10) if f * power >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(n * step, 10) for n in range(first, last + 1)]


def _powers(low: float, high: float) -> list[float]:
    """Give at most six powers of ten from ``low`` to ``high``."""
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    every = max(1, math.ceil((last - first + 1) / 6))
    return [10.0**n for n in range(first, last + 1, every)]
