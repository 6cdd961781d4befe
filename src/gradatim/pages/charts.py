"""Small pictures as SVG text: they move fast, and weigh little in a frozen page.

Colours are those of middle brightness, and text has the colour of the page: one picture
is good on light and on dark.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from torch import Tensor

from gradatim.pages.page import escaped

__all__ = ["COLOURS", "Chart", "bars", "beside", "framed"]

COLOURS = {
    "blue": "#3b82f6",
    "orange": "#ea7317",
    "green": "#2f9e44",
    "red": "#e03131",
    "violet": "#8b5cf6",
    "gray": "#8a94a0",
}
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 26, 58
MOST_POINTS = 400
"""Of a line: more are thinned."""

Numbers = Sequence[float] | Tensor


class Chart:
    """Axes with points, lines and ellipses in them.

    Args:
        x: Where the axis begins and ends.
        y: As ``x``.
        title: Above it; also what a screen reader says.
        x_label: Below.
        y_label: At the left.
        width: In pixels, of the whole picture.
        height: As ``width``.
        log_x: Whether equal steps of x are equal factors.
        log_y: As ``log_x``.
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
        """Draw dots."""
        fill = COLOURS[colour]
        for a, b in _pairs(x, y):
            if self._is_inside(a, b):
                place = f'cx="{self._px(a)}" cy="{self._py(b)}"'
                self._parts.append(f'<circle {place} r="{size:g}" fill="{fill}"/>')
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
        """Draw a line through points; it ends where a number is none."""
        pairs = _thinned(list(_pairs(x, y)))
        stroke = COLOURS[colour]
        for run in _runs(pairs):
            text = " ".join(f"{self._px(a)},{self._py(b)}" for a, b in run)
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
        """Draw a filled rectangle, a piece of a bar."""
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
        """Mark one place."""
        cx, cy, colour = self._px(x), self._py(y), COLOURS["green"]
        self._parts.append(
            f'<path d="M{cx - 7:g} {cy:g}h14M{cx:g} {cy - 7:g}v14" stroke="{colour}" '
            'stroke-width="3" fill="none"/>'
        )
        self._note(label, colour, "cross")
        return self

    def svg(self) -> str:
        """Give the picture."""
        inner = f'x="{LEFT}" y="{TOP}" width="{self._wide}" height="{self._high}"'
        name = f"clip{abs(hash((self.title, self.x, self.y, len(self._parts))))}"
        return (
            f'<svg viewBox="0 0 {self.width} {self.height}" width="{self.width}" '
            f'role="img" aria-label="{escaped(self.title or "chart")}" '
            'style="max-width:100%;height:auto;font:12px system-ui,sans-serif" '
            'fill="currentColor">'
            f'<clipPath id="{name}"><rect {inner}/></clipPath>'
            f'<rect {inner} fill="none" stroke="currentColor" stroke-opacity=".25"/>'
            f'{self._axes()}<g clip-path="url(#{name})">{"".join(self._parts)}</g>'
            f'<text x="{LEFT}" y="16" font-weight="600">{escaped(self.title)}</text>'
            f"{self._told()}</svg>"
        )

    @property
    def _wide(self) -> int:
        return self.width - LEFT - RIGHT

    @property
    def _high(self) -> int:
        return self.height - TOP - BOTTOM

    def _px(self, x: float) -> float:
        share = _share(x, self.x, is_log=self.log_x)
        return round(min(max(LEFT + self._wide * share, -1e4), 1e4), 1)

    def _py(self, y: float) -> float:
        share = 1 - _share(y, self.y, is_log=self.log_y)
        return round(min(max(TOP + self._high * share, -1e4), 1e4), 1)

    def _is_inside(self, x: float, y: float) -> bool:
        return self.x[0] <= x <= self.x[1] and self.y[0] <= y <= self.y[1]

    def _note(self, label: str, colour: str, kind: str) -> None:
        if label:
            self._legend.append((label, colour, kind))

    def _axes(self) -> str:
        bottom = self.height - BOTTOM
        parts = []
        for tick in _powers(*self.x) if self.log_x else _ticks(*self.x):
            px, told = self._px(tick), f"{tick:g}"
            # A long number at the right edge would be cut.
            place = min(px, self.width - 1 - 3.6 * len(told))
            parts.append(
                f'<path d="M{px} {TOP}V{bottom}" stroke="currentColor" '
                f'stroke-opacity=".08"/><text x="{place:g}" y="{bottom + 15}" '
                f'text-anchor="middle" opacity=".75">{told}</text>'
            )
        y_ticks = _powers(*self.y) if self.log_y else _ticks(*self.y)
        for tick in y_ticks if self._y_ticks else ():
            py = self._py(tick)
            parts.append(
                f'<path d="M{LEFT} {py}H{LEFT + self._wide}" stroke="currentColor" '
                f'stroke-opacity=".08"/><text x="{LEFT - 6}" y="{py + 4}" '
                f'text-anchor="end" opacity=".75">{tick:g}</text>'
            )
        x_label, y_label = map(escaped, self._labels)
        middle = TOP + self._high / 2
        parts.append(
            f'<text x="{LEFT + self._wide / 2:g}" y="{bottom + 32}" '
            f'text-anchor="middle">{x_label}</text>'
            f'<text transform="translate(12 {middle:g}) rotate(-90)" '
            f'text-anchor="middle">{y_label}</text>'
        )
        return "".join(parts)

    def _told(self) -> str:
        """Write the legend below, from left to right."""
        parts, place, y = [], LEFT, self.height - 6
        for label, colour, kind in self._legend:
            way = {
                "dashes": f"M{place} {y - 4}h5m4 0h5",
                "cross": f"M{place + 2} {y - 4}h10m-5 -5v10",
            }.get(kind, f"M{place} {y - 4}h14")
            mark = (
                f'<circle cx="{place + 7}" cy="{y - 4}" r="4" fill="{colour}"/>'
                if kind == "dot"
                else f'<path d="{way}" stroke="{colour}" stroke-width="3"/>'
            )
            parts.append(
                f'{mark}<text x="{place + 19}" y="{y}">{escaped(label)}</text>'
            )
            place += 34 + round(6.4 * len(label))
        return "".join(parts)


def bars(
    values: Sequence[tuple[str, float]],
    *,
    title: str,
    colour: str = "blue",
    width: int = 460,
) -> str:
    """Draw numbers with names as bars from left to right.

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
    inner: str, width: float, height: float, title: str, *, top: float = 14
) -> str:
    """Put what is drawn into a picture, with its title in the corner.

    Args:
        inner: SVG.
        width: In pixels.
        height: As ``width``.
        title: Above; also what a screen reader says.
        top: Where the title's letters stand.

    >>> framed("", 10, 20, "t").endswith("</text></svg>")
    True
    """
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" width="{width:g}" role="img" '
        f'aria-label="{escaped(title)}" style="max-width:100%;height:auto;'
        'font:12px system-ui,sans-serif" fill="currentColor">'
        f'<text x="0" y="{top:g}" font-weight="600">{escaped(title)}</text>'
        f"{inner}</svg>"
    )


def beside(*pictures: str) -> str:
    """Put pictures side by side, one below the other where there is no room."""
    style = "display:flex;flex-wrap:wrap;gap:12px;align-items:flex-start"
    return f'<div style="{style}">{"".join(pictures)}</div>'


def _pairs(x: Numbers, y: Numbers) -> Iterable[tuple[float, float]]:
    return zip(_floats(x), _floats(y), strict=True)


def _share(value: float, ends: tuple[float, float], *, is_log: bool) -> float:
    """Tell how far along an axis a value is, as a part of 1."""
    low, high = ends
    if is_log:
        value, low, high = (math.log10(max(v, 1e-300)) for v in (value, low, high))
    return (value - low) / (high - low)


def _floats(numbers: Any) -> list[float]:
    if isinstance(numbers, Tensor):
        return [float(n) for n in numbers.detach().flatten().tolist()]
    return [float(n) for n in numbers]


def _thinned(pairs: list[tuple[float, float]]) -> list[tuple[float, float]]:
    if len(pairs) <= MOST_POINTS:
        return pairs
    step = (len(pairs) - 1) / (MOST_POINTS - 1)
    return [pairs[round(step * place)] for place in range(MOST_POINTS)]


def _runs(pairs: list[tuple[float, float]]) -> list[list[tuple[float, float]]]:
    """Part a line where a number is none."""
    runs: list[list[tuple[float, float]]] = [[]]
    for pair in pairs:
        if all(map(math.isfinite, pair)):
            runs[-1].append(pair)
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _ticks(low: float, high: float) -> list[float]:
    """Give about five round numbers between two.

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
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    every = max(1, math.ceil((last - first + 1) / 6))
    return [10.0**n for n in range(first, last + 1, every)]
