"""Where the boxes of a graph go; a module is a box with a picture of its own.

A *level* is what is inside one module, or outside of all. It has boxes, modules, and
*ports*: places at its border where arrows enter at the top or leave at the bottom. So
each level is laid out on its own, and an arrow that crosses borders is cut into pieces.
"""

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Literal

from gradatim.graphs.graph_data import GraphData, Node
from gradatim.graphs.layout import Box, Edge, Layout, lay_out
from gradatim.graphs.tensors import in_brackets

__all__ = [
    "ArrowPiece",
    "Item",
    "Level",
    "Picture",
    "Rect",
    "caption",
    "label",
    "title",
]

# The widths of a letter in monospaced fonts of 12 and of 10 pixels, rounded up.
LETTER_WIDTH_PX = 7.3
SMALL_LETTER_WIDTH_PX = 6.1
# The other numbers were chosen by hand, not measured.
BOX_PADDING_PX = 8.0  # at the left and right of a box's text
MIN_BOX_WIDTH_PX = 28.0
LINE_HEIGHT_PX = 15.0  # of a line of text in a box
FRAME_PX = 14.0  # inside the border of an open module
TITLE_HEIGHT_PX = 20.0  # of an open module
PARALLEL_GAP_PX = 10.0  # between two arrows from one box to another
MAX_PARALLEL_WIDTH_PX = 20.0  # of such arrows together: less than the narrowest box
MAX_OPEN_BOXES = 100  # Modules are opened up to so many boxes at first.
MAX_LABEL_LETTERS = 34  # A longer name loses its beginning.


@dataclass(frozen=True, slots=True)
class Item:
    """What has a place in a level: a node, a module, or a port."""

    kind: Literal["node", "group", "in", "out"]
    """``"in"`` and ``"out"`` are ports."""
    number: int
    """The number of the node, the module, or the node whose value enters or leaves."""


@dataclass(frozen=True, slots=True)
class ArrowPiece:
    """The piece of an arrow in one level; its ends are places in its ``items``."""

    above: int
    below: int
    source: int
    """The node whose value goes along the arrow."""
    shift_px: float = 0.0
    """How far it is moved to the side, where another one runs beside it."""


@dataclass(frozen=True, slots=True)
class Rect:
    """A rectangle in pixels; x and y are those of its top left corner."""

    x: float
    y: float
    width: float
    height: float


@dataclass
class Level:
    """What is in one module (at the root, outside of all modules), and where."""

    group: int | None
    items: list[Item] = field(default_factory=list)
    pieces: list[ArrowPiece] = field(default_factory=list)
    layout: Layout = field(default_factory=lambda: lay_out([], []))
    places: dict[Item, int] = field(default_factory=dict)

    def place(self, item: Item) -> int:
        """Give the place of an item in ``items``; a new item is added."""
        if item not in self.places:
            self.places[item] = len(self.items)
            self.items.append(item)
        return self.places[item]


class Picture:
    """A graph with its levels laid out.

    Attributes:
        graph: The graph.
        levels: The levels, by the number of the module; None is the root.
        opened: The modules that are drawn with what is in them.
        counts: How many operations and parameters are in each module.
    """

    def __init__(self, graph: GraphData, *, opened: bool | None = None) -> None:
        self.graph = graph
        paths, self.levels = _without_circles(graph, _paths(graph))
        self.counts = _counts(graph, paths)
        groups = [group.number for group in graph.groups]
        self.opened = set(groups if opened else ())
        if opened is None:
            self.opened = self._open_at_first()
        # Parents come before children in a graph, so this goes from the inside out.
        for number in [*reversed(groups), None]:
            self._lay_out(self.levels[number])

    def _open_at_first(self) -> set[int]:
        """Choose modules from the outside in, while there are not too many boxes."""
        opened: set[int] = set()
        num_boxes = self._num_boxes(None)
        waiting = [group.number for group in self.graph.groups if group.parent is None]
        while waiting:
            more = sum(max(self._num_boxes(n) - 1, 0) for n in waiting)
            if num_boxes + more > MAX_OPEN_BOXES:
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
        """Give the width and height of an item as it is drawn."""
        if item.kind == "node":
            return _box_size(label(self.graph, self.graph.nodes[item.number]))
        if item.kind != "group":
            return 2.0, 0.0
        is_open = item.number in self.opened
        return (self.frame_size if is_open else self.closed_size)(item.number)

    def closed_size(self, number: int) -> tuple[float, float]:
        """Give the size of a module that is closed."""
        return _box_size(caption(self.graph, number, self.counts[number]))

    def frame_size(self, number: int) -> tuple[float, float]:
        """Give the size of an open module: what is in it, a border and a title."""
        layout = self.levels[number].layout
        width = max(layout.width + 2 * FRAME_PX, self.title_width(number))
        return width, layout.height + 2 * FRAME_PX + TITLE_HEIGHT_PX

    def title_width(self, number: int) -> float:
        """Give the width that the title of an open module needs."""
        return len(title(self.graph, number)) * SMALL_LETTER_WIDTH_PX + 40

    def _lay_out(self, level: Level) -> None:
        """Lay out one level; all levels inside it have been laid out."""
        pins = {"in": "top", "out": "bottom"}
        boxes = [Box(*self.size(i), pins.get(i.kind, "")) for i in level.items]
        edges = []
        for piece in level.pieces:
            out = self.offset(level.items[piece.above], piece, "out")
            into = self.offset(level.items[piece.below], piece, "in")
            edges.append(Edge(piece.above, piece.below, out, into))
        level.layout = lay_out(boxes, edges)

    def offset(
        self, item: Item, piece: ArrowPiece, port: Literal["in", "out"]
    ) -> float:
        """Give how far from an item's middle an arrow meets it: at a port if open."""
        if item.kind != "group" or item.number not in self.opened:
            return piece.shift_px
        inner = self.levels[item.number]
        x = inner.layout.boxes[inner.places[Item(port, piece.source)]][0]
        return x + self.indent(item.number) - self.frame_size(item.number)[0] / 2

    def indent(self, number: int) -> float:
        """Give how far inside the left border of an open module its level begins."""
        return (self.frame_size(number)[0] - self.levels[number].layout.width) / 2

    def rects(self) -> tuple[dict[Item, Rect], dict[int | None, tuple[float, float]]]:
        """Give the rectangle of each box and module, and where each level begins."""
        rects: dict[Item, Rect] = {}
        origins: dict[int | None, tuple[float, float]] = {}
        waiting: list[tuple[int | None, float, float]] = [(None, 0.0, 0.0)]
        while waiting:
            number, left, top = waiting.pop()
            origins[number] = left, top
            level = self.levels[number]
            for item, (x, y) in zip(level.items, level.layout.boxes, strict=True):
                if item.kind in ("in", "out"):
                    continue
                width, height = self.size(item)
                rect = Rect(left + x - width / 2, top + y - height / 2, width, height)
                rects[item] = rect
                if item.kind == "group" and item.number in self.opened:
                    inner = rect.x + self.indent(item.number)
                    below_title = rect.y + FRAME_PX + TITLE_HEIGHT_PX
                    waiting.append((item.number, inner, below_title))
        return rects, origins


def label(graph: GraphData, node: Node) -> list[str]:
    """Give the lines of text on a node's box.

    A parameter inside its module has no module's name; a name too long keeps its end.
    """
    name = node.name.replace("\n", " ")
    if node.kind == "parameter" and node.group is not None:
        name = name.removeprefix(graph.groups[node.group].name + ".")
    name = _shortened(name, MAX_LABEL_LETTERS)
    if node.shape is None:
        return [name]
    return [name, in_brackets(node.shape)[:MAX_LABEL_LETTERS]]


def title(graph: GraphData, number: int) -> str:
    """Give the text on a module, without the name of the module around it."""
    group, text = graph.groups[number], graph.groups[number].title
    if group.parent is not None:
        text = text.removeprefix(graph.groups[group.parent].name + ".")
    return _shortened(text, MAX_LABEL_LETTERS + 10)


def caption(graph: GraphData, number: int, inside: tuple[int, int]) -> list[str]:
    """Give the lines of text on a closed module, from its :attr:`Picture.counts`."""
    operations, parameters = inside
    counts = f"{operations} operation{'s' * (operations != 1)}"
    if parameters:
        counts += f", {parameters} parameter{'s' * (parameters != 1)}"
    return [title(graph, number), counts]


def _shortened(text: str, num_letters: int) -> str:
    """Leave out the beginning of a text that is too long."""
    return text if len(text) <= num_letters else "…" + text[1 - num_letters :]


def _box_size(lines: list[str]) -> tuple[float, float]:
    """Give the size of a box for lines of text, the first one in larger letters."""
    width = len(lines[0]) * LETTER_WIDTH_PX
    if len(lines) > 1:
        width = max(width, len(lines[1]) * SMALL_LETTER_WIDTH_PX)
    width = max(round(width + 2 * BOX_PADDING_PX, 1), MIN_BOX_WIDTH_PX)
    return width, LINE_HEIGHT_PX * len(lines) + 8


def _paths(graph: GraphData) -> list[tuple[int, ...]]:
    """Give for each node the modules that it is in, the outermost first.

    A module with only one box, such as a dropout, is not drawn as a module: its frame
    would hold that box and nothing else.
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
    """Leave out the modules that, drawn as one box, would stand below themselves.

    The forward of a module makes no such circle. Several threads may make one, because
    autograd numbers the operations of each thread from its own beginning.
    """
    while True:
        levels = _levels(graph, paths)
        wrong = {number for level in levels.values() for number in _in_circles(level)}
        if not wrong:
            return paths, levels
        paths = [tuple(n for n in path if n not in wrong) for path in paths]


def _in_circles(level: Level) -> list[int]:
    """Give the modules of a level that lie on a circle, or between two circles.

    Items with nothing above them are removed again and again, then items with nothing
    below them. What remains is on circles or between them.
    """
    remaining = set(range(len(level.items)))
    downward = [(piece.above, piece.below) for piece in level.pieces]
    for pairs in (downward, [(below, above) for above, below in downward]):
        sorter = TopologicalSorter(dict.fromkeys(remaining, ()))
        for first, second in pairs:
            if first in remaining and second in remaining:
                sorter.add(second, first)
        # It says that there is a circle, and then goes as far as it can.
        with contextlib.suppress(CycleError):
            sorter.prepare()
        while ready := sorter.get_ready():
            remaining.difference_update(ready)
            sorter.done(*ready)
    items = [level.items[place] for place in remaining]
    return [item.number for item in items if item.kind == "group"]


def _counts(
    graph: GraphData, paths: list[tuple[int, ...]]
) -> dict[int, tuple[int, int]]:
    """Count the operations and the parameters in each module."""
    num_operations = {group.number: 0 for group in graph.groups}
    parameters: dict[int, set[str]] = {group.number: set() for group in graph.groups}
    for node, path in zip(graph.nodes, paths, strict=True):
        for number in path:
            num_operations[number] += node.is_operation
            if node.kind == "parameter":
                parameters[number].add(node.name)
    return {n: (count, len(parameters[n])) for n, count in num_operations.items()}


def _levels(graph: GraphData, paths: list[tuple[int, ...]]) -> dict[int | None, Level]:
    """Put items into their levels, and cut each arrow at the borders of modules."""
    levels = {n: Level(n) for n in [None, *(group.number for group in graph.groups)]}
    for node, path in zip(graph.nodes, paths, strict=True):
        for number, inner in zip((None, *path), path, strict=False):
            levels[number].place(Item("group", inner))
        levels[path[-1] if path else None].place(Item("node", node.number))
    # How many pieces go from one item to another, by level, both ends and the source.
    # Only between two boxes is there more than one: a box that is used twice.
    totals: dict[tuple[int | None, int, int, int], int] = {}
    for arrow in graph.arrows:
        for number, above, below in _cuts(arrow.above, arrow.below, paths):
            ends = levels[number].place(above), levels[number].place(below)
            key = (number, *ends, arrow.above)
            if key not in totals or above.kind == below.kind == "node":
                totals[key] = totals.get(key, 0) + 1
    for (number, above_at, below_at, source), total in totals.items():
        gap = min(PARALLEL_GAP_PX, MAX_PARALLEL_WIDTH_PX / max(total - 1, 1))
        for index in range(total):
            shift_px = (index - (total - 1) / 2) * gap
            piece = ArrowPiece(above_at, below_at, source, shift_px)
            levels[number].pieces.append(piece)
    return levels


def _cuts(
    above: int, below: int, paths: list[tuple[int, ...]]
) -> Iterable[tuple[int | None, Item, Item]]:
    """Give the level, and both ends in it, of each piece of an arrow.

    It leaves modules up to the innermost one that both boxes are in, then enters some.
    """
    from_path, to_path = paths[above], paths[below]
    shared = 0
    while from_path[: shared + 1] == to_path[: shared + 1] and shared < len(from_path):
        shared += 1
    for depth in range(len(from_path), shared, -1):
        yield from_path[depth - 1], _item(from_path, depth, above), Item("out", above)
    level = from_path[shared - 1] if shared else None
    yield level, _item(from_path, shared, above), _item(to_path, shared, below)
    for depth in range(shared + 1, len(to_path) + 1):
        yield to_path[depth - 1], Item("in", above), _item(to_path, depth, below)


def _item(path: tuple[int, ...], depth: int, number: int) -> Item:
    """Give the item of a node in the level at a depth: its module there, or itself."""
    return Item("group", path[depth]) if depth < len(path) else Item("node", number)
