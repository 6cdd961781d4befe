"""Places for the boxes of a graph, in layers from top to bottom.

Four stages, each nearly linear in boxes and edges: a layer for every box, a bend where
an edge passes a layer, an order within each layer that crosses few edges, and x that
keeps edges straight.

Sources: the stages, Sugiyama, Tagawa, Toda 1981,
https://doi.org/10.1109/TSMC.1981.4308636;
their weights, Gansner and others 1993, https://doi.org/10.1109/32.221135; x as a
problem of least squares in order, solved by pooling, Ayer and others 1955,
https://doi.org/10.1214/aoms/1177728423.
"""

from bisect import bisect_right, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf

__all__ = ["Box", "Edge", "Layout", "lay_out"]

GAP_X, GAP_Y = 16.0, 30.0
"""Between boxes beside each other, and between layers, in pixels."""
NEAR_Y = 8.0
"""Between a layer and one without height, where lines only come in or leave."""
BEND_WIDTH = 4.0
"""Of the place that an edge takes in a layer that it passes."""
MOST_SWEEPS = 12
NUM_ALIGNMENTS = 8
STRAIGHT = (1.0, 2.0, 8.0)
"""How much an edge wants to be straight, by how many of its two ends are bends."""
SIDE = 0.02
"""How much less an edge pulls that does not end the longest way from the top to its
box: the trunk of a graph stays straight, parameters and branches are at its sides."""


@dataclass(frozen=True, slots=True)
class Box:
    """What is to be placed."""

    width: float
    height: float
    pin: str = ""
    """``"top"`` and ``"bottom"`` are the first and last layer of all."""


@dataclass(frozen=True, slots=True)
class Edge:
    """From the bottom of one box to the top of another, by their numbers."""

    above: int
    below: int
    out: float = 0.0
    """Where it leaves, in pixels from the middle of the box above."""
    into: float = 0.0
    """Where it ends, in pixels from the middle of the box below."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything is, in pixels from the top left."""

    width: float
    height: float
    boxes: list[tuple[float, float]]
    """The middle of each box."""
    bends: list[list[tuple[float, int]]]
    """Of each edge: x and layer, where it passes the layers between its ends."""
    layers: list[list[int]]
    """Numbers from left to right. Those from ``len(boxes)`` on are bends, in the order
    of edges and, within an edge, from top to bottom."""
    spans: list[tuple[float, float]]
    """Top and bottom of each layer."""
    num_crossings: int


def lay_out(boxes: Sequence[Box], edges: Sequence[Edge]) -> Layout:
    """Place boxes so that none overlap and every edge points down.

    The same input gives the same places.

    Raises:
        ValueError: The edges go in a circle.

    >>> found = lay_out([Box(40, 20)] * 3, [Edge(0, 2), Edge(1, 2)])
    >>> [y for _, y in found.boxes], found.num_crossings
    ([10.0, 10.0, 60.0], 0)
    """
    if not boxes:
        return Layout(0.0, 0.0, [], [], [], [], 0)
    net = _Net(boxes, edges)
    num_crossings = net.order()
    xs = _coordinates(net)
    heights = [
        max((boxes[v].height for v in layer if v < len(boxes)), default=0.0)
        for layer in net.layers
    ]
    spans = [(0.0, heights[0])]
    for over, height in pairwise(heights):
        top = spans[-1][1] + (GAP_Y if over and height else NEAR_Y)
        spans.append((top, top + height))
    middles = [(above + below) / 2 for above, below in spans]
    places = [
        (x, middles[rank]) for x, rank in zip(xs[: len(boxes)], net.rank, strict=False)
    ]
    bends = [[(xs[v], net.rank[v]) for v in chain] for chain in net.chains]
    right = max(x + w / 2 for x, w in zip(xs, net.widths, strict=True))
    return Layout(right, spans[-1][1], places, bends, net.layers, spans, num_crossings)


def _ranks(boxes: Sequence[Box], edges: Sequence[Edge]) -> list[int]:
    """Put each box just above the highest of those below it; 0 is the top."""
    above: list[list[int]] = [[] for _ in boxes]
    num_below = [0] * len(boxes)
    for edge in edges:
        above[edge.below].append(edge.above)
        num_below[edge.above] += 1
    height = [0] * len(boxes)
    ready = [v for v, count in enumerate(num_below) if not count]
    num_done = 0
    while ready:
        v = ready.pop()
        num_done += 1
        for a in above[v]:
            height[a] = max(height[a], height[v] + 1)
            num_below[a] -= 1
            if not num_below[a]:
                ready.append(a)
    if num_done < len(boxes):
        raise ValueError("the edges go in a circle")
    pins = {box.pin for box in boxes}
    inner = [h for h, box in zip(height, boxes, strict=True) if not box.pin]
    lowest = min(inner, default=0) - ("bottom" in pins)
    highest = max(inner, default=0) + ("top" in pins)
    pinned = {"top": highest, "bottom": lowest}
    return [
        highest - pinned.get(box.pin, h) for h, box in zip(height, boxes, strict=True)
    ]


def _shares(edges: Sequence[Edge], rank: list[int], num_boxes: int) -> list[float]:
    """Give each edge its share of pull: most on the longest ways from the top."""
    length, last = [0] * num_boxes, [-1] * num_boxes
    for index in sorted(range(len(edges)), key=lambda i: rank[edges[i].above]):
        edge = edges[index]
        if length[edge.above] + 1 > length[edge.below]:
            length[edge.below], last[edge.below] = length[edge.above] + 1, index
    longest = max(length)
    return [
        ((length[edge.above] + 1) / longest) ** 2
        * (1.0 if last[edge.below] == index else SIDE)
        for index, edge in enumerate(edges)
    ]


class _Net:
    """Boxes and bends in layers, each with its neighbours above and below."""

    def __init__(self, boxes: Sequence[Box], edges: Sequence[Edge]) -> None:
        self.num_boxes = len(boxes)
        self.rank = _ranks(boxes, edges)
        self.widths = [box.width for box in boxes]
        self.chains: list[list[int]] = []
        self.up: list[list[int]] = [[] for _ in boxes]
        self.down: list[list[int]] = [[] for _ in boxes]
        self.pulls: list[list[tuple[int, float, float, bool]]] = [[] for _ in boxes]
        """Of each: neighbour, offset of the place it is pulled to, weight, is above."""
        for edge, share in zip(
            edges, _shares(edges, self.rank, len(boxes)), strict=True
        ):
            self._add(edge, share)
        self.layers: list[list[int]] = [[] for _ in range(max(self.rank) + 1)]
        self.place = [0] * len(self.rank)
        self._begin()

    def _add(self, edge: Edge, share: float) -> None:
        chain = []
        for level in range(self.rank[edge.above] + 1, self.rank[edge.below]):
            chain.append(len(self.rank))
            self.rank.append(level)
            self.widths.append(BEND_WIDTH)
            self.up.append([])
            self.down.append([])
            self.pulls.append([])
        self.chains.append(chain)
        path = [edge.above, *chain, edge.below]
        for a, b in pairwise(path):
            self.down[a].append(b)
            self.up[b].append(a)
            out = edge.out if a == edge.above else 0.0
            into = edge.into if b == edge.below else 0.0
            weight = STRAIGHT[(a >= self.num_boxes) + (b >= self.num_boxes)] * share
            self.pulls[a].append((b, into - out, weight, False))
            self.pulls[b].append((a, out - into, weight, True))

    def _begin(self) -> None:
        """Order by a walk from the bottom: what belongs together lies together."""
        seen = [False] * len(self.rank)
        for root in sorted(range(len(self.rank)), key=lambda v: -self.rank[v]):
            stack = [root]
            while stack:
                v = stack.pop()
                if not seen[v]:
                    seen[v] = True
                    self.layers[self.rank[v]].append(v)
                    stack += reversed(self.up[v])
        self._number()

    def _number(self) -> None:
        for layer in self.layers:
            for index, v in enumerate(layer):
                self.place[v] = index

    def order(self) -> int:
        """Sweep up and down; keep the order with the fewest crossings; count them."""
        best, fewest = [list(layer) for layer in self.layers], self.num_crossings()
        stale = 0
        for sweep in range(MOST_SWEEPS):
            if not fewest or stale > 3:
                break
            self._sweep(upward=sweep % 2 == 0)
            found = self.num_crossings()
            if found < fewest:
                best, fewest, stale = [list(layer) for layer in self.layers], found, 0
            else:
                stale += 1
        self.layers = best
        self._number()
        return fewest

    def _sweep(self, *, upward: bool) -> None:
        place, near = self.place, self.down if upward else self.up
        for layer in reversed(self.layers) if upward else self.layers:
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
        for layer in self.layers:
            # An edge crosses those that began to its left and end to its right.
            ends: list[int] = []
            for v in layer:
                new = sorted([place[u] for u in self.down[v]])
                if ends and new and new[0] < ends[-1]:
                    for end in new:
                        total += len(ends) - bisect_right(ends, end)
                for end in new:
                    insort(ends, end)
        return total


def _coordinates(net: _Net) -> list[float]:
    """Give x: each layer in turn as near to its neighbours as its order allows."""
    xs = [0.0] * len(net.rank)
    for layer in net.layers:
        right = 0.0
        for v in layer:
            xs[v] = right + net.widths[v] / 2
            right += net.widths[v] + GAP_X
    for turn in range(NUM_ALIGNMENTS):
        is_last = turn >= NUM_ALIGNMENTS - 2
        downward = turn % 2 == 1
        for layer in net.layers if downward else reversed(net.layers):
            _align(net, layer, xs, None if is_last else downward)
    _straighten(net, xs)
    left = min(x - w / 2 for x, w in zip(xs, net.widths, strict=True))
    return [x - left for x in xs]


def _straighten(net: _Net, xs: list[float]) -> None:
    """Put the bends of an edge under each other, where there is room for all."""
    for chain in net.chains:
        low, high = -inf, inf
        for v in chain:
            layer, place = net.layers[net.rank[v]], net.place[v]
            if place:
                u = layer[place - 1]
                low = max(low, xs[u] + (net.widths[u] + BEND_WIDTH) / 2 + GAP_X)
            if place + 1 < len(layer):
                u = layer[place + 1]
                high = min(high, xs[u] - (net.widths[u] + BEND_WIDTH) / 2 - GAP_X)
        if chain and low <= high:
            middle = sum(xs[v] for v in chain) / len(chain)
            for v in chain:
                xs[v] = min(max(middle, low), high)


def _align(net: _Net, layer: list[int], xs: list[float], side: bool | None) -> None:
    """Move one layer to where its neighbours above (True), below, or both pull it."""
    wanted, weights = [], []
    for v in layer:
        total, weight = 0.0, 0.0
        for u, offset, pull, is_above in net.pulls[v]:
            if side is None or is_above is side:
                total += pull * (xs[u] + offset)
                weight += pull
        wanted.append(total / weight if weight else xs[v])
        weights.append(weight or 0.01)
    # Take from each the least distance to the first: then they only must not fall.
    shifts, shift, before = [], 0.0, None
    for v in layer:
        width = net.widths[v]
        if before is not None:
            shift += (before + width) / 2 + GAP_X
        shifts.append(shift)
        before = width
    found = _rising([x - s for x, s in zip(wanted, shifts, strict=True)], weights)
    for v, x, shift in zip(layer, found, shifts, strict=True):
        xs[v] = x + shift


def _rising(values: Iterable[float], weights: Iterable[float]) -> list[float]:
    """Give the numbers nearest to ``values`` that never fall.

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
