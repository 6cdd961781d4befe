"""Pictures that move in the page itself: play, one more step, a slider over all frames.

Python draws each frame's numbers once; a script of the page shows one after the other.
So they are smooth, and move on a frozen page too.
"""

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gradatim.pages.charts import COLOURS, LEFT, TOP, Chart
from gradatim.pages.page import escaped

__all__ = ["MovingChart", "frames", "only", "player", "player_parts", "told_frames"]

FOLDER = Path(__file__).parent


def player_parts() -> tuple[str, str]:
    """Give the style and the script that a page with players needs."""
    style = (FOLDER / "player.css").read_text(encoding="utf-8")
    return style, (FOLDER / "player.js").read_text(encoding="utf-8")


def frames(values: Mapping[str, Iterable[float | str]]) -> str:
    """Write an attribute that moves other attributes of its element.

    Args:
        values: By attribute, one for each frame; without blanks, ``:`` and ``;``.

    >>> frames({"x1": [1, 2.5], "y1": [0, 10]})
    'data-frames="x1:1 2.5;y1:0 10"'
    """
    told = ";".join(
        f"{name}:{' '.join(v if isinstance(v, str) else f'{v:g}' for v in each)}"
        for name, each in values.items()
    )
    return f'data-frames="{told}"'


def only(html: str, first: int, end: int, *, at: int = 0) -> str:
    """Show something in some frames only.

    Args:
        html: What is shown.
        first: The first frame that shows it.
        end: The first one after it that does not.
        at: The frame that the page opens with.
    """
    style = "" if first <= at < end else ' style="display:none"'
    return f'<div data-only="{first}-{end}"{style}>{html}</div>'


def told_frames(texts: Sequence[str], *, at: int = 0) -> str:
    """Write a text that changes with the frames.

    Args:
        texts: One for each frame; plain.
        at: The frame that the page opens with.

    >>> told_frames(["a", "<"], at=1)
    '<span data-told="[&quot;a&quot;, &quot;&lt;&quot;]">&lt;</span>'
    """
    told = escaped(json.dumps(list(texts), ensure_ascii=False))
    return f'<span data-told="{told}">{escaped(texts[at])}</span>'


class MovingChart(Chart):
    """A chart with parts that move from frame to frame.

    Args:
        at: The frame that the page opens with.
        args: Of :class:`gradatim.pages.charts.Chart`.
        kwargs: As ``args``.

    >>> chart = MovingChart((0, 1), (0, 2), at=1)
    >>> 'data-frames="cx:' in chart.moving_dot([0, 0.5], [1, 1.5]).svg()
    True
    """

    def __init__(self, *args: Any, at: int = 0, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.at = at

    def moving_line(
        self,
        places: Sequence[tuple[float, float]],
        *,
        label: str = "",
        colour: str = "orange",
    ) -> "MovingChart":
        """Draw the line ``a + b x`` of each frame, from side to side.

        Args:
            places: a and b.
            label: For the legend.
            colour: One of :data:`gradatim.pages.charts.COLOURS`.
        """
        ends = [[self._py(a + b * x) for a, b in places] for x in self.x]
        self._parts.append(
            f'<line data-line="" x1="{self._px(self.x[0])}" '
            f'x2="{self._px(self.x[1])}" y1="{ends[0][self.at]}" '
            f'y2="{ends[1][self.at]}" stroke="{COLOURS[colour]}" stroke-width="2" '
            f"{frames({'y1': ends[0], 'y2': ends[1]})}/>"
        )
        self._note(label, COLOURS[colour], "line")
        return self

    def residuals(
        self,
        x: Sequence[float],
        y: Sequence[float],
        place: tuple[float, float],
        *,
        label: str = "residuals",
        colour: str = "red",
    ) -> "MovingChart":
        """Draw from each point to the line of :meth:`moving_line`, which it follows.

        Args:
            x: Of the points.
            y: As ``x``.
            place: a and b at the frame that the page opens with.
            label: For the legend.
            colour: One of :data:`gradatim.pages.charts.COLOURS`.
        """
        (low, high), (a, b) = self.x, place
        for one, other in zip(x, y, strict=True):
            px, foot = self._px(one), (one - low) / (high - low)
            self._parts.append(
                f'<line data-foot="{foot:.4f}" x1="{px}" x2="{px}" '
                f'y1="{self._py(other)}" y2="{self._py(a + b * one)}" '
                f'stroke="{COLOURS[colour]}" stroke-width="0.8"/>'
            )
        self._note(label, COLOURS[colour], "line")
        return self

    def moving_dot(
        self, x: Sequence[float], y: Sequence[float], *, colour: str = "blue"
    ) -> "MovingChart":
        """Draw a dot that is at another place in each frame."""
        cx, cy = [self._px(v) for v in x], [self._py(v) for v in y]
        self._parts.append(
            f'<circle cx="{cx[self.at]}" cy="{cy[self.at]}" r="5" '
            f'fill="{COLOURS[colour]}" stroke="white" stroke-width="1" '
            f"{frames({'cx': cx, 'cy': cy})}/>"
        )
        return self

    def lit_points(
        self,
        x: Sequence[float],
        y: Sequence[float],
        lit: Sequence[set[int]],
        *,
        label: str,
        colour: str = "violet",
    ) -> "MovingChart":
        """Draw points that are seen in some frames.

        Args:
            x: Of all points.
            y: As ``x``.
            lit: For each frame the numbers of those that are seen.
            label: For the legend.
            colour: One of :data:`gradatim.pages.charts.COLOURS`.
        """
        for number, (one, other) in enumerate(zip(x, y, strict=True)):
            seen = ["1" if number in each else "0" for each in lit]
            self._parts.append(
                f'<circle cx="{self._px(one)}" cy="{self._py(other)}" r="3.6" '
                f'fill="{COLOURS[colour]}" opacity="{seen[self.at]}" '
                f"{frames({'opacity': seen})}/>"
            )
        self._note(label, COLOURS[colour], "dot")
        return self

    @contextlib.contextmanager
    def from_frame(self, first: int, count: int) -> Iterator[None]:
        """Draw what the block draws from a frame on.

        Args:
            first: The first frame that shows it.
            count: Frames.
        """
        before = len(self._parts)
        yield
        inner = "".join(self._parts[before:])
        seen = ["1" if frame >= first else "0" for frame in range(count)]
        self._parts[before:] = [
            f'<g opacity="{seen[self.at]}" {frames({"opacity": seen})}>{inner}</g>'
        ]

    def moving_path(
        self, x: Sequence[float], y: Sequence[float], *, colour: str = "blue"
    ) -> "MovingChart":
        """Draw a path that grows by a step each frame, with a dot at its end."""
        for number in range(1, len(x)):
            step = slice(number - 1, number + 1)
            with self.from_frame(number, len(x)):
                self.line(x[step], y[step], colour=colour, width=1.4)
        return self.moving_dot(x, y, colour=colour)

    def growing_line(
        self,
        x: Sequence[float],
        y: Sequence[float],
        ends: Sequence[float],
        *,
        label: str = "",
        colour: str = "blue",
    ) -> "MovingChart":
        """Draw a line of which each frame shows the part up to an x.

        Args:
            x: Of its points.
            y: As ``x``.
            ends: For each frame the x that it is shown up to.
            label: For the legend.
            colour: One of :data:`gradatim.pages.charts.COLOURS`.
        """
        widths = [max(self._px(end) - LEFT, 0) for end in ends]
        name = f"grow{abs(hash((self.title, label, len(self._parts), tuple(y[:9]))))}"
        self._parts.append(
            f'<clipPath id="{name}"><rect x="{LEFT}" y="{TOP}" height="{self._high}" '
            f'width="{widths[self.at]}" {frames({"width": widths})}/></clipPath>'
        )
        self._parts.append(f'<g clip-path="url(#{name})">')
        self.line(x, y, label=label, colour=colour)
        self._parts.append("</g>")
        return self


def player(
    picture: str,
    count: int,
    *,
    steps: Mapping[str, int],
    told: Sequence[str] = (),
    label: str,
    at: int = 0,
    rate: float = 10.0,
) -> str:
    """Put controls above a picture whose parts have :func:`frames`.

    Args:
        picture: HTML or SVG, as it is at frame ``at``.
        count: Frames.
        steps: What is written on a button, and how many frames it goes.
        told: A sentence for each frame, below; plain text.
        label: What the slider counts.
        at: The frame to begin with.
        rate: Frames a second while it plays.

    Raises:
        ValueError: There is not one sentence for each frame.

    >>> page = player("<svg></svg>", 3, steps={"one more step": 1}, label="update")
    >>> page.count("<button"), 'max="2"' in page
    (3, True)
    """
    if told and len(told) != count:
        raise ValueError(f"{count} frames, but {len(told)} sentences: one for each.")
    buttons = [("play", "play")]
    buttons += [(name, str(go)) for name, go in steps.items()]
    buttons.append(("from the start", "start"))
    controls = "".join(
        f'<button type="button" data-go="{go}">{escaped(name)}</button>'
        for name, go in buttons
    )
    sentence = f'<p class="player-told">{told_frames(told, at=at)}</p>' if told else ""
    return (
        f'<div data-player="{count}" data-at="{at}" data-rate="{rate:g}">'
        f'<div class="player-controls">{controls}'
        f'<input type="range" min="0" max="{count - 1}" value="{at}" data-place="" '
        f'aria-label="{escaped(label)}"/></div>{picture}{sentence}</div>'
    )
