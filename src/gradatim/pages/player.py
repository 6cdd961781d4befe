"""Pictures that move from frame to frame, with buttons and a slider.

Python writes the numbers of all frames into the page once, as attributes of the parts
that move; the script ``player.js`` shows one frame after the other. So a picture moves
smoothly, and also in a page that no Python stands behind.
"""

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gradatim.pages.charts import COLOURS, LEFT_PX, TOP_PX, Chart, circle
from gradatim.pages.page import escaped, name_of

__all__ = ["MovingChart", "frames", "only", "player", "player_parts", "told_frames"]

FOLDER = Path(__file__).parent


def player_parts() -> tuple[str, str]:
    """Give the style and the script that a page with players needs."""
    style = (FOLDER / "player.css").read_text(encoding="utf-8")
    return style, (FOLDER / "player.js").read_text(encoding="utf-8")


def frames(values: Mapping[str, Iterable[float | str]]) -> str:
    """Write an attribute that changes other attributes of its element by the frame.

    Each of them has a value for each frame, without a blank, ``:`` or ``;``.

    >>> frames({"x1": [1, 2.5], "y1": [0, 10]})
    'data-frames="x1:1 2.5;y1:0 10"'
    """
    parts = ";".join(
        f"{name}:{' '.join(v if isinstance(v, str) else f'{v:g}' for v in by_frame)}"
        for name, by_frame in values.items()
    )
    return f'data-frames="{parts}"'


def only(html: str, first: int, end: int, *, at: int = 0) -> str:
    """Show some HTML only from the frame ``first`` to before ``end``.

    ``at`` is the frame that the page opens with.
    """
    style = "" if first <= at < end else ' style="display:none"'
    return f'<div data-only="{first}-{end}"{style}>{html}</div>'


def told_frames(texts: Sequence[str], *, at: int = 0) -> str:
    """Write a text that changes with the frames: one plain text for each.

    ``at`` is the frame that the page opens with.

    >>> told_frames(["a", "<"], at=1)
    '<span data-told="[&quot;a&quot;, &quot;&lt;&quot;]">&lt;</span>'
    """
    all_texts = escaped(json.dumps(list(texts), ensure_ascii=False))
    return f'<span data-told="{all_texts}">{escaped(texts[at])}</span>'


class MovingChart(Chart):
    """A chart with parts that move from frame to frame.

    ``at`` is the frame that the page opens with; what else it takes is a Chart's.

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
        """Draw the line ``a + b x`` for the ``places`` (a, b) of each frame."""
        lefts, rights = ([self._py(a + b * x) for a, b in places] for x in self.x)
        self._parts.append(
            f'<line data-line="" x1="{self._px(self.x[0])}" '
            f'x2="{self._px(self.x[1])}" y1="{lefts[self.at]}" '
            f'y2="{rights[self.at]}" stroke="{COLOURS[colour]}" stroke-width="2" '
            f"{frames({'y1': lefts, 'y2': rights})}/>"
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
        """Draw a line from each point to the moving line, whose moves it follows.

        ``place`` is a and b of the moving line in the frame that the page opens with.
        """
        (low, high), (a, b) = self.x, place
        for point_x, point_y in zip(x, y, strict=True):
            px, foot = self._px(point_x), (point_x - low) / (high - low)
            self._parts.append(
                f'<line data-foot="{foot:.4f}" x1="{px}" x2="{px}" '
                f'y1="{self._py(point_y)}" y2="{self._py(a + b * point_x)}" '
                f'stroke="{COLOURS[colour]}" stroke-width="0.8"/>'
            )
        self._note(label, COLOURS[colour], "line")
        return self

    def moving_dot(
        self, x: Sequence[float], y: Sequence[float], *, colour: str = "blue"
    ) -> "MovingChart":
        """Draw a dot that has a place for each frame."""
        cx, cy = [self._px(v) for v in x], [self._py(v) for v in y]
        moves = f'stroke="white" stroke-width="1" {frames({"cx": cx, "cy": cy})}'
        dot = circle(cx[self.at], cy[self.at], 5, COLOURS[colour], moves)
        self._parts.append(dot)
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
        """Draw points; each frame shows those whose numbers ``lit`` has for it."""
        for number, (point_x, point_y) in enumerate(zip(x, y, strict=True)):
            shown = self._shown(number in numbers for numbers in lit)
            px, py = self._px(point_x), self._py(point_y)
            self._parts.append(circle(px, py, 3.6, COLOURS[colour], shown))
        self._note(label, COLOURS[colour], "dot")
        return self

    @contextlib.contextmanager
    def from_frame(self, first: int, count: int) -> Iterator[None]:
        """Show what is drawn in the block from the frame ``first`` of ``count`` on."""
        num_before = len(self._parts)
        yield
        inner = "".join(self._parts[num_before:])
        shown = self._shown(frame >= first for frame in range(count))
        self._parts[num_before:] = [f"<g {shown}>{inner}</g>"]

    def _shown(self, by_frame: Iterable[bool]) -> str:
        """Write the attributes of an element that only some frames show."""
        opacity = ["1" if is_shown else "0" for is_shown in by_frame]
        return f'opacity="{opacity[self.at]}" {frames({"opacity": opacity})}'

    def moving_path(
        self, x: Sequence[float], y: Sequence[float], *, colour: str = "blue"
    ) -> "MovingChart":
        """Draw a path that grows by one step in each frame, with a dot at its end."""
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
        """Draw a line of which each frame shows the part up to its x in ``ends``."""
        widths = [max(self._px(end) - LEFT_PX, 0) for end in ends]
        name = name_of("grow", self.title, label, len(self._parts), *y[:9])
        self._parts.append(
            f'<clipPath id="{name}"><rect x="{LEFT_PX}" y="{TOP_PX}" '
            f'height="{self._high}" width="{widths[self.at]}" '
            f"{frames({'width': widths})}/></clipPath>"
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
    """Put buttons and a slider above a picture with parts that have :func:`frames`.

    Args:
        picture: HTML or SVG, as frame ``at`` shows it.
        count: The number of frames.
        steps: For each button its text, and how many frames it goes on.
        told: A plain sentence for each frame, which stands below the picture.
        label: What the slider counts.
        at: The frame that the page opens with.
        rate: How many frames a second are played.

    Raises:
        ValueError: The sentences are not as many as the frames.

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
