"""Where the boxes of a graph go; modules are boxes with a picture of their own.

A *level* is what is in one module, or in none: boxes, modules, and *ports*, where lines
come in at the top and leave at the bottom.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from gradatim.graphs.graph_data import GraphData, Node
from gradatim.graphs.layout import Box, Edge, Layout, lay_out
from gradatim.graphs.tensors import in_brackets

__all__ = ["Item", "Level", "Line", "Picture", "Rect", "caption", "label", "title"]

LETTER, SMALL_LETTER = 7.3, 6.1
"""Widths in a monospaced font of 12 and 10 pixels, rounded up."""
PAD_X, LINE_HEIGHT = 8.0, 15.0
FRAME = 14.0
"""Between the border of an open module and what is in it."""
TITLE = 20.0
"""Height of its title."""
BESIDE = 10.0
"""Between two lines from one box to another."""
WIDEST = 20.0
"""From the first to the last of these, however many: within the narrowest box."""
MOST_OPEN = 100
"""Boxes that are shown at first; more are left in their modules."""
MOST_LETTERS = 34


@dataclass(frozen=True, slots=True)
class Item:
    """What has a place in a level: a node, a module, or a port of a node's value."""

    kind: Literal["node", "group", "in", "out"]
    number: int


@dataclass(frozen=True, slots=True)
class Line:
    """A line within a level, by the places of its ends in ``items``."""

    above: int
    below: int
    source: int
    """The node whose value goes along it."""
    shift: float = 0.0
    """To the side, where another one runs beside it."""


@dataclass(frozen=True, slots=True)
class Rect:
    """A place: top left and size, in pixels."""

    x: float
    y: float
    width: float
    height: float


@dataclass
class Level:
    """What is in one module (or, at the root, in none), and where."""

    group: int | None
    items: list[Item] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    layout: Layout | None = None
    places: dict[Item, int] = field(default_factory=dict)

    def place(self, item: Item) -> int:
        """Give the number of an item, which is added where it is new."""
        if item not in self.places:
            self.places[item] = len(self.items)
            self.items.append(item)
        return self.places[item]


class Picture:
    """A graph with its levels laid out.

    Attributes:
        levels: By the number of the module; None is the root.
        opened: The modules that are drawn with what is in them.
        inside: How many operations and parameters each module has in all.
    """

    def __init__(self, graph: GraphData, *, opened: bool | None = None) -> None:
        self.graph = graph
        paths, self.levels = _without_circles(graph, _paths(graph))
        self.inside = _count(graph, paths)
        groups = [group.number for group in graph.groups]
        self.opened = set(groups if opened else ())
        if opened is None:
            self.opened = self._open_at_first()
        for number in [*reversed(groups), None]:  # children come after parents
            self._lay_out(self.levels[number])

    def _open_at_first(self) -> set[int]:
        """Open modules from the outside in, while there are not too many boxes."""
        opened: set[int] = set()
        num_boxes = self._num_boxes(None)
        waiting = [group.number for group in self.graph.groups if group.parent is None]
        while waiting:
            more = sum(max(self._num_boxes(n) - 1, 0) for n in waiting)
            if num_boxes + more > MOST_OPEN:
                break
            num_boxes += more
            opened |= set(waiting)
            inner = set(waiting)
            waiting = [g.number for g in self.graph.groups if g.parent in inner]
        return opened

    def _num_boxes(self, number: int | None) -> int:
        items = self.levels[number].items
        return sum(item.kind in ("node", "group") for item in items)

    def size(self, item: Item) -> tuple[float, float]:
        """Give width and height of an item as it is drawn."""
        if item.kind == "node":
            return box_size(label(self.graph, self.graph.nodes[item.number]))
        if item.kind == "group":
            if item.number in self.opened:
                return self.frame_size(item.number)
            return self.closed_size(item.number)
        return 2.0, 0.0

    def closed_size(self, number: int) -> tuple[float, float]:
        """Give the size of a module that is closed."""
        return box_size(caption(self.graph, number, self.inside[number]))

    def frame_size(self, number: int) -> tuple[float, float]:
        """Give the size of an open module: what is in it, a border and a title."""
        layout = self.levels[number].layout
        assert layout is not None
        width = max(layout.width + 2 * FRAME, self.title_width(number))
        return width, layout.height + 2 * FRAME + TITLE

    def title_width(self, number: int) -> float:
        """Give the room that the title of an open module needs."""
        return len(title(self.graph, number)) * SMALL_LETTER + 40

    def _lay_out(self, level: Level) -> None:
        pins = {"in": "top", "out": "bottom"}
        boxes = [Box(*self.size(i), pins.get(i.kind, "")) for i in level.items]
        edges = [
            Edge(
                line.above,
                line.below,
                self.offset(level.items[line.above], line, "out"),
                self.offset(level.items[line.below], line, "in"),
            )
            for line in level.lines
        ]
        level.layout = lay_out(boxes, edges)

    def offset(self, item: Item, line: Line, port: Literal["in", "out"]) -> float:
        """Give where a line meets an item, from its middle: an open module's port."""
        if item.kind != "group" or item.number not in self.opened:
            return line.shift
        inner = self.levels[item.number]
        assert inner.layout is not None
        x = inner.layout.boxes[inner.places[Item(port, line.source)]][0]
        return x + self.indent(item.number) - self.frame_size(item.number)[0] / 2

    def indent(self, number: int) -> float:
        """Give how far from the left border of an open module its level begins."""
        layout = self.levels[number].layout
        assert layout is not None
        return (self.frame_size(number)[0] - layout.width) / 2

    def rects(self) -> tuple[dict[Item, Rect], dict[int | None, tuple[float, float]]]:
        """Give the place of all that is drawn, and where each level begins."""
        rects: dict[Item, Rect] = {}
        origins: dict[int | None, tuple[float, float]] = {}
        waiting: list[tuple[int | None, float, float]] = [(None, 0.0, 0.0)]
        while waiting:
            number, left, top = waiting.pop()
            origins[number] = left, top
            level = self.levels[number]
            assert level.layout is not None
            for item, (x, y) in zip(level.items, level.layout.boxes, strict=True):
                if item.kind in ("in", "out"):
                    continue
                width, height = self.size(item)
                rect = Rect(left + x - width / 2, top + y - height / 2, width, height)
                rects[item] = rect
                if item.kind == "group" and item.number in self.opened:
                    inner = rect.x + self.indent(item.number)
                    waiting.append((item.number, inner, rect.y + FRAME + TITLE))
        return rects, origins


def label(graph: GraphData, node: Node) -> list[str]:
    """Give the lines on a node's box.

    A parameter in its module goes without the module's name. A name that is too long
    keeps its end.
    """
    name = node.name.replace("\n", " ")
    if node.kind == "parameter" and node.group is not None:
        name = name.removeprefix(graph.groups[node.group].name + ".")
    if len(name) > MOST_LETTERS:
        name = "…" + name[1 - MOST_LETTERS :]
    if node.shape is None:
        return [name]
    return [name, in_brackets(node.shape)[:MOST_LETTERS]]


def title(graph: GraphData, number: int) -> str:
    """Give what stands on a module; without the name of the one that it is in."""
    group, found = graph.groups[number], graph.groups[number].title
    if group.parent is not None:
        found = found.removeprefix(graph.groups[group.parent].name + ".")
    return _shortened(found)


def caption(graph: GraphData, number: int, inside: tuple[int, int]) -> list[str]:
    """Give the lines on the box of a module that is closed."""
    operations, parameters = inside
    counts = f"{operations} operation{'s' * (operations != 1)}"
    if parameters:
        counts += f", {parameters} parameter{'s' * (parameters != 1)}"
    return [title(graph, number), counts]


def _shortened(title: str) -> str:
    if len(title) <= MOST_LETTERS + 10:
        return title
    return "…" + title[-MOST_LETTERS - 9 :]


def box_size(lines: list[str]) -> tuple[float, float]:
    """Give the size of a box for lines of text, the first one larger."""
    width = len(lines[0]) * LETTER
    if len(lines) > 1:
        width = max(width, len(lines[1]) * SMALL_LETTER)
    return max(round(width + 2 * PAD_X, 1), 28.0), LINE_HEIGHT * len(lines) + 8


def _paths(graph: GraphData) -> list[tuple[int, ...]]:
    """Give for each node the modules that it is in, the outermost first.

    A module of one box, such as a dropout, is no module here: it would be a frame
    around it and nothing else.
    """
    num_inside = [0] * len(graph.groups)
    for node in graph.nodes:
        number = node.group
        while number is not None:
            num_inside[number] += 1
            number = graph.groups[number].parent
    of_group: dict[int | None, tuple[int, ...]] = {None: ()}
    for group in graph.groups:
        path = of_group[group.parent]
        if num_inside[group.number] > 1:
            path = (*path, group.number)
        of_group[group.number] = path
    return [of_group[node.group] for node in graph.nodes]


def _without_circles(
    graph: GraphData, paths: list[tuple[int, ...]]
) -> tuple[list[tuple[int, ...]], dict[int | None, Level]]:
    """Leave out the modules that, each as one box, would stand below themselves.

    A forward in a module's call makes none; threads, which autograd numbers each on its
    own, may.
    """
    while True:
        levels = _levels(graph, paths)
        wrong = {number for level in levels.values() for number in _in_circles(level)}
        if not wrong:
            return paths, levels
        paths = [tuple(n for n in path if n not in wrong) for path in paths]


def _in_circles(level: Level) -> list[int]:
    """Give the modules that are left when all without a box above, or below, go."""
    left = set(range(len(level.items)))
    ways = [(line.above, line.below) for line in level.lines]
    for way in (ways, [(below, above) for above, below in ways]):
        after: dict[int, list[int]] = {}
        num_before = dict.fromkeys(left, 0)
        for above, below in way:
            if above in left and below in left:
                after.setdefault(above, []).append(below)
                num_before[below] += 1
        ready = [v for v in left if not num_before[v]]
        while ready:
            v = ready.pop()
            left.discard(v)
            for below in after.get(v, []):
                num_before[below] -= 1
                if not num_before[below]:
                    ready.append(below)
    items = [level.items[v] for v in left]
    return [item.number for item in items if item.kind == "group"]


def _count(
    graph: GraphData, paths: list[tuple[int, ...]]
) -> dict[int, tuple[int, int]]:
    found = {group.number: [0, 0] for group in graph.groups}
    seen: set[tuple[int, str]] = set()
    for node, path in zip(graph.nodes, paths, strict=True):
        for number in path:
            if node.is_operation:
                found[number][0] += 1
            elif node.kind == "parameter" and (number, node.name) not in seen:
                seen.add((number, node.name))
                found[number][1] += 1
    return {number: (a, b) for number, (a, b) in found.items()}


def _levels(graph: GraphData, paths: list[tuple[int, ...]]) -> dict[int | None, Level]:
    """Cut each arrow where it goes through the border of a module."""
    levels: dict[int | None, Level] = {None: Level(None)}
    for group in graph.groups:
        levels[group.number] = Level(group.number)
    for node, path in zip(graph.nodes, paths, strict=True):
        for number, inner in zip((None, *path), path, strict=False):
            levels[number].place(Item("group", inner))
        levels[path[-1] if path else None].place(Item("node", node.number))
    # How many lines go from one item to another, by level, both ends and the source.
    totals: dict[tuple[int | None, int, int, int], int] = {}
    for arrow in graph.arrows:
        for number, above, below in _cuts(arrow.above, arrow.below, paths):
            ends = levels[number].place(above), levels[number].place(below)
            key = (number, *ends, arrow.above)
            if key not in totals or above.kind == below.kind == "node":
                totals[key] = totals.get(key, 0) + 1
    for (number, above_at, below_at, source), total in totals.items():
        gap = min(BESIDE, WIDEST / max(total - 1, 1))
        for index in range(total):
            shift = (index - (total - 1) / 2) * gap
            levels[number].lines.append(Line(above_at, below_at, source, shift))
    return levels


def _cuts(
    above: int, below: int, paths: list[tuple[int, ...]]
) -> Iterable[tuple[int | None, Item, Item]]:
    """Give the level, and the ends in it, of each part of an arrow."""
    over, under = paths[above], paths[below]
    shared = 0
    while shared < min(len(over), len(under)) and over[shared] == under[shared]:
        shared += 1
    for depth in range(len(over), shared, -1):
        yield over[depth - 1], _item(over, depth, above), Item("out", above)
    level = over[shared - 1] if shared else None
    yield level, _item(over, shared, above), _item(under, shared, below)
    for depth in range(shared + 1, len(under) + 1):
        yield under[depth - 1], Item("in", above), _item(under, depth, below)


def _item(path: tuple[int, ...], depth: int, number: int) -> Item:
    """Give what a node is seen as at a depth: the module it is in, or itself."""
    return Item("group", path[depth]) if depth < len(path) else Item("node", number)
