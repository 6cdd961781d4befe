"""A graph as one file of SVG, dark where the reader's system asks for dark pages."""

from itertools import pairwise
from typing import Literal

from gradatim.graphs.graph_data import GraphData
from gradatim.graphs.picture import (
    TITLE_HEIGHT_PX,
    ArrowPiece,
    Item,
    Level,
    Picture,
    Rect,
    caption,
    label,
    title,
)
from gradatim.pages.page import escaped

__all__ = ["ARROW_HEAD", "SHAPES_STYLE", "box", "closed", "draw", "frame", "path"]

MARGIN_PX = 12.0  # around the picture; chosen by hand, not measured
COLOURS_STYLE = """
.g{--paper:#fff;--ink:#1c2430;--faint:#4b5563;--parameter:#b5dcf7;--operation:#e3e5e8;
--start:#b9e6b3;--data:#fffdf5;--edge:#7b8794;--frame:#f8fafb;--line:#d3d9e0}
@media (prefers-color-scheme:dark){.g{--paper:#12161c;--ink:#e6eaf0;--faint:#bac4d0;
--parameter:#1f4e71;--operation:#39414c;--start:#25592a;--data:#25231a;--edge:#8492a3;
--frame:#171c23;--line:#343d49}}
"""
"""The colours of all pages (``pages/page.css``), for a picture on its own."""
SHAPES_STYLE = """
.g text{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",
monospace;fill:var(--ink);text-anchor:middle}
.g .s{font-size:10px;fill:var(--faint)}
.g rect{stroke:var(--edge);fill:var(--operation)}
.g .parameter rect,.g .input rect{fill:var(--parameter)}
.g .output rect{fill:var(--start)}
.g .input rect{stroke-width:2}
.g .data rect{fill:var(--data);stroke-dasharray:4 3}
.g .m rect{fill:var(--frame);stroke-width:1.5;rx:8px}
.g .f rect{fill:var(--frame);stroke:var(--line);rx:10px}
.g .f text{text-anchor:start;font-size:10px;fill:var(--faint)}
.g path{fill:none;stroke:var(--edge);stroke-width:1.2}
.g marker path{fill:var(--edge);stroke:none}
"""
ARROW_HEAD = (
    '<defs><marker id="{name}" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="8.4" '
    'markerHeight="8.4" markerUnits="userSpaceOnUse" orient="auto">'
    '<path d="M0 0L8 4L0 8z"/></marker></defs>'
)


def draw(graph: GraphData, *, opened: bool | None = None) -> str:
    """Draw a graph; see :meth:`Graph.svg`."""
    picture = Picture(graph, opened=opened)
    root = picture.levels[None].layout
    rects, origins = picture.rects()
    frames, boxes, lines = [], [], []
    for item, rect in rects.items():
        if item.kind == "node":
            boxes.append(box(graph, item.number, rect))
        elif item.number in picture.opened:
            frames.append(frame(picture, item.number, rect))
        else:
            boxes.append(closed(picture, item.number, rect))
    for number, origin in origins.items():
        level = picture.levels[number]
        for index, piece in enumerate(level.pieces):
            points = corners(picture, level, index, origin, rects)
            end = level.items[piece.below]
            is_open = end.kind == "group" and end.number in picture.opened
            is_end = end.kind not in ("in", "out") and not is_open
            marker = ' marker-end="url(#a)"' if is_end else ""
            lines.append(f'<path d="{path(points)}"{marker}/>')
    width, height = root.width + 2 * MARGIN_PX, root.height + 2 * MARGIN_PX
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="g" width="{width:.0f}" '
        f'height="{height:.0f}" viewBox="{-MARGIN_PX:g} {-MARGIN_PX:g} {width:.1f} '
        f'{height:.1f}" role="img" '
        f'aria-label="Computation graph: {escaped(repr(graph))}">\n'
        f"<style>{COLOURS_STYLE}{SHAPES_STYLE}</style>\n"
        f"{ARROW_HEAD.format(name='a')}\n"
        f'<rect x="{-MARGIN_PX:g}" y="{-MARGIN_PX:g}" width="{width:.1f}" '
        f'height="{height:.1f}" style="fill:var(--paper);stroke:none"/>\n'
        + "\n".join([*frames, *lines, *boxes])
        + "\n</svg>\n"
    )


def corners(
    picture: Picture,
    level: Level,
    index: int,
    origin: tuple[float, float],
    rects: dict[Item, Rect],
) -> list[tuple[float, float]]:
    """Give the points of one piece of an arrow, straight down within each layer.

    ``index`` says which of the level's pieces it is; ``rects`` and the ``origin`` of
    the level come from :meth:`Picture.rects`.
    """
    layout, piece = level.layout, level.pieces[index]
    left, top = origin
    points = [_end(picture, level, piece, "out", left, rects)]
    if level.items[piece.above].kind == "in":
        # Go straight down past the title of the module, and not along its letters.
        points.append((points[0][0], points[0][1] + TITLE_HEIGHT_PX))
    for x, layer in layout.bends[index]:
        layer_top, layer_bottom = layout.spans[layer]
        points += [(left + x, top + layer_top), (left + x, top + layer_bottom)]
    return [*points, _end(picture, level, piece, "in", left, rects)]


def _end(
    picture: Picture,
    level: Level,
    piece: ArrowPiece,
    side: Literal["in", "out"],
    left: float,
    rects: dict[Item, Rect],
) -> tuple[float, float]:
    """Give where a piece leaves the item above (``"out"``), or enters the one below."""
    place = piece.above if side == "out" else piece.below
    item = level.items[place]
    if item.kind in ("in", "out"):
        border = rects[Item("group", level.group or 0)]
        y = border.y + (border.height if item.kind == "out" else 0.0)
        return left + level.layout.boxes[place][0], y
    rect = rects[item]
    y = rect.y + (rect.height if side == "out" else 0.0)
    return rect.x + rect.width / 2 + picture.offset(item, piece, side), y


def path(points: list[tuple[float, float]]) -> str:
    """Draw a smooth line through points that passes each of them straight down.

    >>> path([(0.0, 0.0), (10.0, 20.0)])
    'M0 0C0 10 10 10 10 20'
    """
    parts = ["M" + _numbers(*points[0])]
    for (x, y), (to_x, to_y) in pairwise(points):
        if abs(x - to_x) < 0.05:
            parts.append("L" + _numbers(to_x, to_y))
            continue
        middle = (y + to_y) / 2
        parts.append("C" + _numbers(x, middle, to_x, middle, to_x, to_y))
    return "".join(parts)


def _numbers(*values: float) -> str:
    return " ".join(f"{value:.1f}".removesuffix(".0") for value in values)


def box(graph: GraphData, number: int, rect: Rect) -> str:
    """Draw the box of a node; a tooltip has its full name."""
    node = graph.nodes[number]
    return _box(f"n{number}", node.kind, label(graph, node), rect, node.name)


def closed(picture: Picture, number: int, rect: Rect) -> str:
    """Draw the box of a closed module."""
    lines = caption(picture.graph, number, picture.counts[number])
    full = picture.graph.groups[number].title
    return _box(f"g{number}", "m", lines, rect, full)


def _box(name: str, kind: str, lines: list[str], rect: Rect, tooltip: str) -> str:
    """Draw a box with one or two lines of text, the second one smaller."""
    middle, top = rect.width / 2, rect.height / 2 + (4.0 if len(lines) == 1 else -3.0)
    texts = [
        f'<text{style} x="{middle:g}" y="{top + down:g}">{escaped(line)}</text>'
        for line, style, down in zip(lines, ("", ' class="s"'), (0, 14), strict=False)
    ]
    return (
        f'<g id="{name}" class="{kind}" transform="{_moved(rect)}">'
        f"<title>{escaped(tooltip)}</title>"
        f'<rect width="{rect.width:g}" height="{rect.height:g}" rx="4"/>'
        + "".join(texts)
        + "</g>"
    )


def _moved(rect: Rect) -> str:
    return f"translate({_numbers(rect.x, rect.y)})"


def frame(picture: Picture, number: int, rect: Rect) -> str:
    """Draw the border of an open module, and its title."""
    text = escaped(title(picture.graph, number))
    full = escaped(picture.graph.groups[number].title)
    return (
        f'<g id="f{number}" class="f" transform="{_moved(rect)}">'
        f'<title>{full}</title><rect width="{rect.width:.5g}" '
        f'height="{rect.height:.6g}"/><text x="10" y="14">{text}</text></g>'
    )
