"""Everything that a graph can be drawn as, and what must be true of each picture."""

import json
import re
from itertools import combinations
from xml.etree import ElementTree

from gradatim.graphs.picture import Item, Picture

SVG = "{http://www.w3.org/2000/svg}"


def drawn(graph):
    """Draw a graph in every way; give the texts."""
    texts = {
        "svg": graph.svg(),
        "opened": graph.svg(opened=True),
        "closed": graph.svg(opened=False),
        "html": graph.html(gradients=False),
        "dot": graph.dot(),
        "text": graph.text(),
        "dict": json.dumps(graph.to_dict(), allow_nan=False),
    }
    ids = {each.get("id") for each in ElementTree.fromstring(texts["opened"]).iter()}
    assert {f"n{node.number}" for node in graph.nodes} <= ids
    return texts


def data_of(page):
    """Give what the program of a page is given; JSON without NaN."""
    (found,) = re.findall(r"^const GRAPH = (.*);$", page, re.MULTILINE)
    return json.loads(found, parse_constant=_refused)


def _refused(name):
    raise ValueError(f"{name} is no JSON")


def arrows(graph):
    """Give the arrows by the names at their ends, in order."""
    name = [node.name for node in graph.nodes]
    return [(name[arrow.above], name[arrow.below]) for arrow in graph.arrows]


def boxes(graph):
    """Give kind and name of each box, sorted."""
    return sorted((node.kind, node.name) for node in graph.nodes)


def node(graph, name):
    """Give the only box of a name."""
    (found,) = [each for each in graph.nodes if each.name == name]
    return found


def titles(graph):
    """Give the titles of the modules."""
    return [group.title for group in graph.groups]


def check_picture(graph, *, ways=(True, False, None)):
    """Check that nothing overlaps, all is in its frame, and lines meet their ends."""
    for opened in ways:
        picture = Picture(graph, opened=opened)
        rects, origins = picture.rects()
        for number, origin in origins.items():
            level = picture.levels[number]
            here = [rects[i] for i in level.items if i.kind in ("node", "group")]
            for one, other in combinations(here, 2):
                assert _are_apart(one, other), (number, one, other)
            if number is not None:
                frame = rects[Item("group", number)]
                assert all(_is_inside(each, frame) for each in here), number
            _check_lines(picture, level, origin, rects)
        if opened:
            shown = {i.number for i in rects if i.kind == "node"}
            assert shown == {each.number for each in graph.nodes}


def _check_lines(picture, level, origin, rects):
    """Every line goes down, from border to border, and along the frame's ports."""
    layout = level.layout
    for line, bends in zip(level.pieces, layout.bends, strict=True):
        ys = []
        for number, side in ((line.above, "out"), (line.below, "in")):
            item = level.items[number]
            x, y = layout.boxes[number]
            if item.kind in ("in", "out"):
                frame = rects[Item("group", level.group)]
                assert frame.x <= origin[0] + x <= frame.x + frame.width
                ys.append(y)
                continue
            rect = rects[item]
            assert abs(picture.offset(item, line, side)) <= rect.width / 2
            ys.append(y + (rect.height if side == "out" else -rect.height) / 2)
        assert ys[0] <= ys[1]
        layers = [layer for _, layer in bends]
        assert layers == sorted(layers)
        assert all(
            ys[0] <= layout.spans[layer][0] <= layout.spans[layer][1] <= ys[1]
            for layer in layers
        )


def _are_apart(one, other):
    return (
        one.x + one.width <= other.x + 0.01
        or other.x + other.width <= one.x + 0.01
        or one.y + one.height <= other.y + 0.01
        or other.y + other.height <= one.y + 0.01
    )


def _is_inside(rect, frame):
    return (
        frame.x < rect.x
        and frame.y < rect.y
        and rect.x + rect.width < frame.x + frame.width
        and rect.y + rect.height < frame.y + frame.height
    )
