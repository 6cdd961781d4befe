"""The layout's properties, for graphs of any shape with boxes of any size."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradatim.graphs.layout import (
    BEND_WIDTH_PX,
    BOX_GAP_PX,
    LAYER_GAP_PX,
    Box,
    Edge,
    _rising,
    lay_out,
)

NEAR = 1e-6
SIZES = st.floats(1, 200, allow_nan=False)


@st.composite
def dags(draw, *, pins=False):
    """Boxes and edges that all lead to a later box; some twice."""
    num_boxes = draw(st.integers(1, 24))
    boxes = [Box(draw(SIZES), draw(SIZES)) for _ in range(num_boxes)]
    edges = []
    if num_boxes > 1:
        ends = st.tuples(*[st.integers(0, num_boxes - 1)] * 2)
        for one, other in draw(st.lists(ends, max_size=50)):
            if one != other:
                above, below = min(one, other), max(one, other)
                out = draw(st.floats(-0.5, 0.5)) * boxes[above].width
                edges.append(Edge(above, below, out, 0.0))
    order = draw(st.permutations(range(num_boxes)))
    boxes = [boxes[order.index(v)] for v in range(num_boxes)]
    edges = [Edge(order[e.above], order[e.below], e.out, e.into) for e in edges]
    if pins:
        has_above = {e.below for e in edges}
        has_below = {e.above for e in edges}
        for v in range(num_boxes):
            if v not in has_above and draw(st.booleans()):
                boxes[v] = Box(2.0, 0.0, "top")
            elif v not in has_below and draw(st.booleans()):
                boxes[v] = Box(2.0, 0.0, "bottom")
    return boxes, edges


@given(dags())
def test_boxes_keep_their_gaps(dag):
    boxes, edges = dag
    found = lay_out(boxes, edges)
    for layer in found.layers:
        here = [(found.boxes[v][0], boxes[v].width) for v in layer if v < len(boxes)]
        for (x, width), (to_x, to_width) in pairwise(here):
            assert to_x - x >= (width + to_width) / 2 + BOX_GAP_PX - NEAR
    for (_, bottom), (top, _) in pairwise(found.spans):
        assert top >= bottom + LAYER_GAP_PX - NEAR


@given(dags(pins=True))
def test_all_is_inside_and_in_its_layer(dag):
    boxes, edges = dag
    found = lay_out(boxes, edges)
    assert len(found.boxes) == len(boxes)
    layer_of = {v: i for i, layer in enumerate(found.layers) for v in layer}
    for v, (box, (x, y)) in enumerate(zip(boxes, found.boxes, strict=True)):
        assert x - box.width / 2 >= -NEAR and x + box.width / 2 <= found.width + NEAR
        top, bottom = found.spans[layer_of[v]]
        assert top - NEAR <= y - box.height / 2
        assert y + box.height / 2 <= bottom + NEAR <= found.height + 2 * NEAR


@given(dags(pins=True))
def test_every_edge_points_down_through_one_bend_a_layer(dag):
    boxes, edges = dag
    found = lay_out(boxes, edges)
    layer_of = {v: i for i, layer in enumerate(found.layers) for v in layer}
    for edge, bends in zip(edges, found.bends, strict=True):
        above, below = layer_of[edge.above], layer_of[edge.below]
        assert above < below
        assert [layer for _, layer in bends] == list(range(above + 1, below))
        assert found.boxes[edge.above][1] < found.boxes[edge.below][1]


@given(dags())
def test_bends_lie_between_the_boxes_that_they_pass(dag):
    boxes, edges = dag
    found = lay_out(boxes, edges)
    xs = [x for bends in found.bends for x, _ in bends]
    places = [*(x for x, _ in found.boxes), *xs]
    widths = [*(box.width for box in boxes), *[BEND_WIDTH_PX] * len(xs)]
    for layer in found.layers:
        for v, u in pairwise(layer):
            gap = (widths[v] + widths[u]) / 2 + BOX_GAP_PX
            assert places[u] - places[v] >= gap - NEAR


@given(dags(pins=True))
def test_pins_are_in_the_first_and_the_last_layer(dag):
    boxes, edges = dag
    found = lay_out(boxes, edges)
    layer_of = {v: i for i, layer in enumerate(found.layers) for v in layer}
    for v, box in enumerate(boxes):
        if box.pin:
            assert layer_of[v] == (0 if box.pin == "top" else len(found.layers) - 1)


@given(dags(pins=True))
def test_the_same_input_gives_the_same_places(dag):
    assert lay_out(*dag) == lay_out(*dag)


@given(dags())
def test_crossings_are_counted_right(dag):
    boxes, edges = dag
    found = lay_out(boxes, edges)
    place = {v: i for layer in found.layers for i, v in enumerate(layer)}
    layer_of = {v: i for i, layer in enumerate(found.layers) for v in layer}
    parts, bend = [], len(boxes)
    for edge, bends in zip(edges, found.bends, strict=True):
        chain = [edge.above, *range(bend, bend + len(bends)), edge.below]
        bend += len(bends)
        parts += list(pairwise(chain))
    crossings = sum(
        layer_of[a] == layer_of[c] and (place[a] < place[c]) and place[b] > place[d]
        for a, b in parts
        for c, d in parts
    )
    assert found.num_crossings == crossings


def test_a_tree_and_a_chain_are_drawn_without_a_crossing():
    tree = [Edge(2 * v + 1 + side, v) for v in range(15) for side in (0, 1)]
    assert lay_out([Box(40, 20)] * 31, tree).num_crossings == 0
    chain = lay_out(
        [Box(40 + v, 20) for v in range(9)], [*map(Edge, range(8), range(1, 9))]
    )
    xs = [x for x, _ in chain.boxes]
    assert max(xs) - min(xs) < 1e-6


@given(dags(), st.data())
def test_a_circle_is_an_error(dag, data):
    boxes, edges = dag
    if not edges:
        edges = [Edge(0, 0)]
    else:
        edge = data.draw(st.sampled_from(edges))
        edges = [*edges, Edge(edge.below, edge.above)]
    with pytest.raises(ValueError, match="in a circle"):
        lay_out(boxes, edges)


def test_nothing_has_no_size():
    assert lay_out([], []).width == lay_out([], []).height == 0


@given(st.lists(st.tuples(st.floats(-99, 99), st.floats(0.1, 9)), min_size=1))
def test_rising_never_falls_and_keeps_the_mean(pairs):
    values, weights = zip(*pairs, strict=True)
    found = _rising(values, weights)
    assert all(one <= other + 1e-9 for one, other in pairwise(found))
    mean = sum(v * w for v, w in pairs)
    assert abs(sum(f * w for f, w in zip(found, weights, strict=True)) - mean) < 1e-6
    if list(values) == sorted(values):
        assert found == pytest.approx(values)
