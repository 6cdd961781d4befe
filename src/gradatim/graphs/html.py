"""A graph as a page: the boxes of :mod:`svg`, and the data that its script needs.

The script, ``graph.js``, opens and closes modules, searches, zooms, and shows backward
step by step.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gradatim.graphs import svg
from gradatim.graphs.gradients import Backward, BackwardStep
from gradatim.graphs.graph_data import GraphData, Node, Saved
from gradatim.graphs.picture import FRAME_PX, TITLE_HEIGHT_PX, Level, Picture, Rect
from gradatim.graphs.tensors import in_brackets
from gradatim.pages.page import as_json, escaped, page
from gradatim.text import bytes_for_people

__all__ = ["draw", "frame"]

FOLDER = Path(__file__).parent
NOT_RUN_BECAUSE_PACKED = (
    "Tensors are packed by a hook (checkpointing?): backward would run their forwards "
    "again. Ask for it: graph.html(gradients=True)."
)


def draw(graph: GraphData, backward: Backward | None, *, title: str = "") -> str:
    """Write the page of a graph; see :meth:`Graph.html`.

    ``backward`` is None where it would run forwards again.
    """
    picture = Picture(graph)
    heading = title or "Computation graph"
    parts = {
        "heading": escaped(heading),
        "summary": escaped(_summary(graph)),
        "boxes": _boxes(picture),
        "markers": svg.ARROW_HEAD.format(name="a") + svg.ARROW_HEAD.format(name="b"),
    }
    template, style, script = (
        FOLDER.joinpath(f"graph.{kind}").read_text(encoding="utf-8")
        for kind in ("html", "css", "js")
    )
    # All parts are put in at once: braces in the name of a tensor are no part's name.
    body = re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], template)
    data = _data(picture, backward or Backward(why_not=NOT_RUN_BECAUSE_PACKED))
    script = f"const GRAPH = {as_json(data)};\n{script}"
    return page(heading, body, style=svg.SHAPES_STYLE + style, script=script)


def frame(text: str, *, height: int = 560) -> str:
    """Put a page into a frame, so that a notebook's styles and names stay apart."""
    return (
        f'<iframe srcdoc="{escaped(text)}" title="Computation graph" '
        f'style="width:100%;height:{height}px;border:1px solid #8884;'
        'border-radius:6px"></iframe>'
    )


def _summary(graph: GraphData) -> str:
    """Count the operations, parameters and kept bytes of a graph."""
    num_operations = sum(node.is_operation for node in graph.nodes)
    parameters = {node.name for node in graph.nodes if node.kind == "parameter"}
    parts = [f"{num_operations:,} operations", f"{len(parameters):,} parameters"]
    if graph.num_saved_bytes:
        parts.append(f"{bytes_for_people(graph.num_saved_bytes)} kept for backward")
    return " · ".join(parts)


def _boxes(picture: Picture) -> str:
    """Draw all boxes, also those in closed modules; the script puts them in place."""
    parts = []
    for level in picture.levels.values():
        for item in level.items:
            if item.kind == "node":
                rect = Rect(0, 0, *picture.size(item))
                parts.append(svg.box(picture.graph, item.number, rect))
            elif item.kind == "group":
                rect = Rect(0, 0, *picture.closed_size(item.number))
                parts.append(svg.closed(picture, item.number, rect))
    frames = [
        svg.frame(picture, number, Rect(0, 0, 0, 0))
        for number in picture.levels
        if number is not None and picture.levels[number].items
    ]
    return (
        f'<g id="frames">{"".join(frames)}</g>\n<g id="lines"></g>\n'
        f'<g id="boxes">{"".join(parts)}</g>\n<g id="marks"></g>'
    )


def _data(picture: Picture, backward: Backward) -> dict[str, Any]:
    """Give the data of the page's script, as JSON has them."""
    graph = picture.graph
    return {
        "nodes": [_node(graph, node) for node in graph.nodes],
        "groups": [
            {"title": group.title, "width": picture.title_width(group.number)}
            for group in graph.groups
        ],
        "levels": {
            "root" if number is None else str(number): _level(picture, level)
            for number, level in picture.levels.items()
            if level.items
        },
        "arrows": [[arrow.above, arrow.below] for arrow in graph.arrows],
        "opened": sorted(picture.opened),
        "frame": [FRAME_PX, TITLE_HEIGHT_PX],
        "steps": [_step(step) for step in backward.steps],
        "why_not": backward.why_not,
    }


def _node(graph: GraphData, node: Node) -> dict[str, Any]:
    """Give what the page shows about a box when it is chosen."""
    entry: dict[str, Any] = {"name": node.name, "kind": node.kind}
    if node.shape is not None:
        shape = in_brackets(node.shape)
        entry["shape"] = f"{shape} {node.dtype}, {bytes_for_people(node.num_bytes)}"
        entry["shape"] += f", {node.device}" if node.device != "cpu" else ""
    if node.saved:
        entry["saved"] = [_saved(saved) for saved in node.saved]
    if node.options:
        entry["options"] = ", ".join(f"{k}={v}" for k, v in node.options.items())
    if node.group is not None:
        entry["module"] = graph.groups[node.group].title
    if node.line:
        entry["line"] = node.line
    return entry


def _saved(saved: Saved) -> str:
    if saved.state != "kept":
        return f"{saved.name}: {saved.state}"
    shape = in_brackets(saved.shape or ())
    return f"{saved.name}: {shape} {saved.dtype}, {bytes_for_people(saved.num_bytes)}"


def _level(picture: Picture, level: Level) -> dict[str, Any]:
    """Give the layout of a level, whose items have names such as ``n3`` or ``g0``."""

    def rounded(sizes: Iterable[float]) -> list[float]:
        return [round(size, 1) for size in sizes]

    layout = level.layout
    kinds = {"node": "n", "group": "g", "in": "i", "out": "o"}
    bend_xs = [x for bends in layout.bends for x, _ in bends]
    return {
        "items": [f"{kinds[item.kind]}{item.number}" for item in level.items],
        "sizes": [rounded(picture.size(item)) for item in level.items],
        "closed": {
            str(i): rounded(picture.closed_size(item.number))
            for i, item in enumerate(level.items)
            if item.kind == "group"
        },
        "lines": [[p.above, p.below, p.source, p.shift_px] for p in level.pieces],
        "bends": [len(bends) for bends in layout.bends],
        "layers": layout.layers,
        "xs": rounded([*(x for x, _ in layout.boxes), *bend_xs]),
        "size": rounded([layout.width, layout.height]),
    }


def _step(step: BackwardStep) -> dict[str, Any]:
    """Give a step of backward, with its numbers as texts."""
    entry: dict[str, Any] = {"nodes": list(step.nodes), "norm": _number(step.norm)}
    if step.shape is not None:
        entry["shape"] = in_brackets(step.shape)
    if step.values is not None:
        entry["values"] = [
            value if isinstance(value, str) else _number(value) for value in step.values
        ]
    return entry


def _number(value: float | None) -> str | None:
    """Write a number with six digits, as a text, because JSON has no NaN.

    >>> _number(0.123456789), _number(float("nan")), _number(None)
    ('0.123457', 'nan', None)
    """
    return None if value is None else f"{value:.6g}"
