"""Places for the boxes of a graph, in layers from top to bottom.

Four stages, each nearly linear in the number of boxes and edges:

1. Each box gets a layer, so that every edge points down.
2. An edge that passes a layer gets a bend there, which takes room as a box does.
3. Each layer gets an order in which few edges cross.
4. Each box and bend gets an x, so that edges are as straight as the order allows.

Sources: the stages are from Sugiyama, Tagawa, Toda 1981,
https://doi.org/10.1109/TSMC.1981.4308636, and the weights of edges from Gansner and
others 1993, https://doi.org/10.1109/32.221135. Finding x is a least-squares problem
with a given order; pooling solves it (Ayer and others 1955,
https://doi.org/10.1214/aoms/1177728423).

The script of the page, ``graph.js``, has the same gaps in pixels as this file.
"""

from bisect import bisect_right, insort
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from math import inf

__all__ = ["Box", "Edge", "Layout", "lay_out"]

STRAIGHTNESS_WEIGHTS = (1.0, 2.0, 8.0)
"""How strongly an edge pulls its ends under each other, if none, one or both of them
are bends: the weights of Gansner and others 1993."""
# The other numbers were chosen by hand, not measured.
BOX_GAP_PX = 16.0  # between boxes beside each other
LAYER_GAP_PX = 30.0  # between layers
PORT_GAP_PX = 8.0  # beside a layer that has only ports
BEND_WIDTH_PX = 4.0  # for an edge that passes a layer
MAX_SWEEPS = 12  # How often the layers are reordered at most.
MAX_FRUITLESS_SWEEPS = 3  # More sweeps in a row without gain end reordering.
NUM_ALIGNMENTS = 8  # How often the layers are moved sideways.
NO_PULL_WEIGHT = 0.01  # How strongly a box that nothing pulls stays.
BRANCH_PULL = 0.02
"""The pull of an edge that is not on the longest path from the top to its lower box,
as a share of one that is. So the trunk of a graph stays straight, and parameters and
branches hang at its sides."""


@dataclass(frozen=True, slots=True)
class Box:
    """A box to be placed; sizes are in pixels."""

    width: float
    height: float
    pin: str = ""
    """``"top"`` puts the box into the first layer, ``"bottom"`` into the last."""


@dataclass(frozen=True, slots=True)
class Edge:
    """An edge from the bottom of one box to the top of another, by their numbers."""

    above: int
    below: int
    out: float = 0.0
    """Where the edge leaves, in pixels from the middle of the box above."""
    into: float = 0.0
    """Where the edge ends, in pixels from the middle of the box below."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The places of boxes and bends, in pixels from the top left."""

    width: float
    height: float
    boxes: list[tuple[float, float]]
    """The middle of each box."""
    bends: list[list[tuple[float, int]]]
    """For each edge, x and layer of the places where it passes a layer."""
    layers: list[list[int]]
    """For each layer the numbers of its boxes and bends from left to right. Numbers
    from ``len(boxes)`` on are bends, in the order of edges and, within an edge, from
    top to bottom."""
    spans: list[tuple[float, float]]
    """Top and bottom of each layer."""
    num_crossings: int


def lay_out(boxes: Sequence[Box], edges: Sequence[Edge]) -> Layout:
    """Place boxes so that none overlap and every edge points down.

    The same input always gives the same places.

    Raises:
        ValueError: The edges go in a circle.

    >>> layout = lay_out([Box(40, 20)] * 3, [Edge(0, 2), Edge(1, 2)])
    >>> [y for _, y in layout.boxes], layout.num_crossings
    ([10.0, 10.0, 60.0], 0)
    """
    if not boxes:
        return Layout(0.0, 0.0, [], [], [], [], 0)
    layers = _Layers(boxes, edges)
    num_crossings = layers.reorder()
    xs = _coordinates(layers)
    heights = [
        max((boxes[v].height for v in layer if v < len(boxes)), default=0.0)
        for layer in layers.rows
    ]
    spans = [(0.0, heights[0])]
    for height_above, height in pairwise(heights):
        gap = LAYER_GAP_PX if height_above and height else PORT_GAP_PX
        top = spans[-1][1] + gap
        spans.append((top, top + height))
    middles = [(top + bottom) / 2 for top, bottom in spans]
    return Layout(
        width=max(x + w / 2 for x, w in zip(xs, layers.widths, strict=True)),
        height=spans[-1][1],
        boxes=[(xs[v], middles[layers.rank[v]]) for v in range(len(boxes))],
        bends=[[(xs[v], layers.rank[v]) for v in chain] for chain in layers.chains],
        layers=layers.rows,
        spans=spans,
        num_crossings=num_crossings,
    )


def _ranks(boxes: Sequence[Box], edges: Sequence[Edge]) -> list[int]:
    """Give each box its layer: just above the highest box below it; 0 is the top."""
    below: dict[int, list[int]] = {v: [] for v in range(len(boxes))}
    for edge in edges:
        below[edge.above].append(edge.below)
    height = [0] * len(boxes)
    try:
        for v in TopologicalSorter(below).static_order():
            height[v] = max((height[w] + 1 for w in below[v]), default=0)
    except CycleError:
        raise ValueError("the edges go in a circle") from None
    pins = {box.pin for box in boxes}
    inner = [h for h, box in zip(height, boxes, strict=True) if not box.pin]
    lowest = min(inner, default=0) - ("bottom" in pins)
    highest = max(inner, default=0) + ("top" in pins)
    pinned = {"top": highest, "bottom": lowest}
    return [
        highest - pinned.get(box.pin, h) for h, box in zip(height, boxes, strict=True)
    ]


def _shares(edges: Sequence[Edge], rank: list[int], num_boxes: int) -> list[float]:
    """Give each edge a pull of at most 1: the longer the path from the top, the more.

    Of the edges into one box, those that do not end its longest path pull far less.
    """
    length, last = [0] * num_boxes, [-1] * num_boxes  # the longest path to a box
    for index in sorted(range(len(edges)), key=lambda i: rank[edges[i].above]):
        edge = edges[index]
        if length[edge.above] + 1 > length[edge.below]:
            length[edge.below], last[edge.below] = length[edge.above] + 1, index
    longest = max(length)
    return [
        ((length[edge.above] + 1) / longest) ** 2
        * (1.0 if last[edge.below] == index else BRANCH_PULL)
        for index, edge in enumerate(edges)
    ]


class _Layers:
    """Boxes and bends in layers, each with its neighbours above and below.

    Boxes and bends have numbers; those of bends follow those of boxes.
    """

    def __init__(self, boxes: Sequence[Box], edges: Sequence[Edge]) -> None:
        self.num_boxes = len(boxes)
        self.rank = _ranks(boxes, edges)
        self.widths = [box.width for box in boxes]
        self.chains: list[list[int]] = []
        """For each edge the numbers of its bends."""
        self.above: dict[int, list[int]] = defaultdict(list)
        self.below: dict[int, list[int]] = defaultdict(list)
        self.pulls: dict[int, list[tuple[int, float, float, bool]]] = defaultdict(list)
        """For each box or bend, by neighbour: the neighbour, how far from its middle
        the edge wants this one to be, with what weight, and whether it is above."""
        shares = _shares(edges, self.rank, len(boxes))
        for edge, share in zip(edges, shares, strict=True):
            self._add(edge, share)
        self.rows: list[list[int]] = [[] for _ in range(max(self.rank) + 1)]
        self.place = [0] * len(self.rank)
        """For each box or bend, which of its layer it is, counted from the left."""
        self._order_at_first()

    def _add(self, edge: Edge, share: float) -> None:
        """Add an edge, and its bends in the layers that it passes."""
        chain = []
        for level in range(self.rank[edge.above] + 1, self.rank[edge.below]):
            chain.append(len(self.rank))
            self.rank.append(level)
            self.widths.append(BEND_WIDTH_PX)
        self.chains.append(chain)
        path = [edge.above, *chain, edge.below]
        for a, b in pairwise(path):
            self.below[a].append(b)
            self.above[b].append(a)
            out = edge.out if a == edge.above else 0.0
            into = edge.into if b == edge.below else 0.0
            num_bends = (a >= self.num_boxes) + (b >= self.num_boxes)
            weight = STRAIGHTNESS_WEIGHTS[num_bends] * share
            self.pulls[a].append((b, into - out, weight, False))
            self.pulls[b].append((a, out - into, weight, True))

    def _order_at_first(self) -> None:
        """Order by a search from the bottom up: neighbours lie near each other."""
        is_placed = [False] * len(self.rank)
        for root in sorted(range(len(self.rank)), key=lambda v: -self.rank[v]):
            stack = [root]
            while stack:
                v = stack.pop()
                if not is_placed[v]:
                    is_placed[v] = True
                    self.rows[self.rank[v]].append(v)
                    stack += reversed(self.above[v])
        self._number()

    def _number(self) -> None:
        for layer in self.rows:
            for index, v in enumerate(layer):
                self.place[v] = index

    def reorder(self) -> int:
        """Sweep up and down, keep the order that crosses fewest edges; count those."""
        best, fewest = [list(layer) for layer in self.rows], self.num_crossings()
        last_gain = -1
        for sweep in range(MAX_SWEEPS):
            if not fewest or sweep - last_gain > MAX_FRUITLESS_SWEEPS + 1:
                break
            self._sweep(upward=sweep % 2 == 0)
            crossings = self.num_crossings()
            if crossings < fewest:
                best, fewest = [list(layer) for layer in self.rows], crossings
                last_gain = sweep
        self.rows = best
        self._number()
        return fewest

    def _sweep(self, *, upward: bool) -> None:
        """Order each layer by the mean place of its neighbours in the layer before."""
        place, near = self.place, self.below if upward else self.above
        for layer in reversed(self.rows) if upward else self.rows:
            means = [
                sum([place[u] for u in near[v]]) / len(near[v])
                if near[v]
                else float(place[v])
                for v in layer
            ]
            ordered = sorted(zip(means, range(len(layer)), layer, strict=True))
            layer[:] = [v for _, _, v in ordered]
            for index, v in enumerate(layer):
                place[v] = index

    def num_crossings(self) -> int:
        """Count the pairs of edges that cross between neighbouring layers."""
        place, total = self.place, 0
        for layer in self.rows:
            # An edge crosses the edges that begin to its left and end to its right.
            ends: list[int] = []
            for v in layer:
                new = sorted([place[u] for u in self.below[v]])
                if ends and new and new[0] < ends[-1]:
                    for end in new:
                        total += len(ends) - bisect_right(ends, end)
                for end in new:
                    insort(ends, end)
        return total


def _coordinates(layers: _Layers) -> list[float]:
    """Give the x of all: each layer in turn goes as near its neighbours as it can."""
    xs = [0.0] * len(layers.rank)
    for row in layers.rows:
        right = 0.0
        for v in row:
            xs[v] = right + layers.widths[v] / 2
            right += layers.widths[v] + BOX_GAP_PX
    for turn in range(NUM_ALIGNMENTS):
        is_last = turn >= NUM_ALIGNMENTS - 2  # The last two look to both sides.
        downward = turn % 2 == 1
        for row in layers.rows if downward else reversed(layers.rows):
            _align(layers, row, xs, None if is_last else downward)
    _straighten(layers, xs)
    left = min(x - w / 2 for x, w in zip(xs, layers.widths, strict=True))
    return [x - left for x in xs]


def _straighten(layers: _Layers, xs: list[float]) -> None:
    """Put the bends of an edge under each other, where there is room for all."""
    for chain in layers.chains:
        low, high = -inf, inf
        for v in chain:
            row, place = layers.rows[layers.rank[v]], layers.place[v]
            if place:
                u = row[place - 1]
                half = (layers.widths[u] + BEND_WIDTH_PX) / 2
                low = max(low, xs[u] + half + BOX_GAP_PX)
            if place + 1 < len(row):
                u = row[place + 1]
                half = (layers.widths[u] + BEND_WIDTH_PX) / 2
                high = min(high, xs[u] - half - BOX_GAP_PX)
        if chain and low <= high:
            middle = sum(xs[v] for v in chain) / len(chain)
            for v in chain:
                xs[v] = min(max(middle, low), high)


def _align(layers: _Layers, row: list[int], xs: list[float], side: bool | None) -> None:
    """Move one layer to where its neighbours pull it, in its order, by changing ``xs``.

    Only neighbours above pull if ``side`` is True, only those below if it is False.
    """
    wanted, weights = [], []
    for v in row:
        total, weight = 0.0, 0.0
        for u, offset, pull, is_above in layers.pulls[v]:
            if side is None or is_above is side:
                total += pull * (xs[u] + offset)
                weight += pull
        wanted.append(total / weight if weight else xs[v])
        weights.append(weight or NO_PULL_WEIGHT)
    # From each wanted x, take the least distance from the first box. What is left only
    # must not fall from left to right: then no boxes overlap.
    shifts = [0.0] * len(row)
    for place, (u, v) in enumerate(pairwise(row)):
        distance = (layers.widths[u] + layers.widths[v]) / 2 + BOX_GAP_PX
        shifts[place + 1] = shifts[place] + distance
    rising = _rising([x - s for x, s in zip(wanted, shifts, strict=True)], weights)
    for v, x, shift in zip(row, rising, shifts, strict=True):
        xs[v] = x + shift


def _rising(values: Iterable[float], weights: Iterable[float]) -> list[float]:
    """Give the numbers nearest to ``values``, in least squares, that never fall.

    >>> _rising([3.0, 1.0, 5.0], [1.0, 1.0, 1.0])
    [2.0, 2.0, 5.0]
    """
    pools: list[tuple[float, float, int]] = []
    for value, weight in zip(values, weights, strict=True):
        count = 1
        while pools and pools[-1][0] >= value:
            other, other_weight, other_count = pools.pop()
            value = (value * weight + other * other_weight) / (weight + other_weight)
            weight += other_weight
            count += other_count
        pools.append((value, weight, count))
    return [value for value, _, count in pools for _ in range(count)]
