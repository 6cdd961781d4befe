"""Pictures of graphs with modules in modules, of any shape."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradatim.graphs.graph import Graph
from gradatim.graphs.graph_data import Arrow, Group, Node
from gradatim.graphs.picture import MAX_OPEN_BOXES, Item, Picture, _in_circles
from tests.graphs.drawn import check_picture, drawn

KINDS = st.sampled_from(["operation", "output", "parameter", "input", "data"])


@st.composite
def parts(draw):
    """Any boxes in any modules: also such as no forward can make.

    Given as plain values: beartype, which checks our own, draws random numbers.
    """
    groups = []
    for number in range(draw(st.integers(0, 6))):
        parent = draw(st.none() | st.integers(0, number - 1)) if number else None
        groups.append((draw(st.text("abc.", max_size=20)), parent))
    in_group = st.none() | st.integers(0, len(groups) - 1) if groups else st.none()
    names, shapes = st.text("abc", max_size=40), st.sampled_from([None, (2, 3)])
    node = st.tuples(KINDS, names, shapes, in_group)
    nodes = draw(st.lists(node, min_size=1, max_size=16))
    ends = st.tuples(*[st.integers(0, len(nodes) - 1)] * 2)
    return groups, nodes, draw(st.lists(ends, max_size=24))


def _graph(groups, nodes, ends):
    return Graph(
        [
            Node(number=i, kind=kind, name=name, shape=shape, group=group)
            for i, (kind, name, shape, group) in enumerate(nodes)
        ],
        [Arrow(min(pair), max(pair)) for pair in ends if pair[0] != pair[1]],
        [
            Group(number=i, name=name, kind="Linear", parent=parent)
            for i, (name, parent) in enumerate(groups)
        ],
    )


@given(parts())
@settings(max_examples=60)
def test_nothing_overlaps_and_all_is_in_its_frame(parts):
    check_picture(_graph(*parts))


@given(parts())
@settings(max_examples=30)
def test_it_is_drawn_twice_the_same(parts):
    graph = _graph(*parts)
    assert drawn(graph) == drawn(_graph(*parts))


@given(parts())
def test_a_module_without_a_circle_keeps_its_frame(parts):
    """Only what is in a circle, or of one box, goes without."""
    graph = _graph(*parts)
    picture = Picture(graph, opened=True)
    assert not any(_in_circles(level) for level in picture.levels.values())
    rects, _ = picture.rects()
    framed = {item.number for item in rects if item.kind == "group"}
    if not any(graph.nodes[a.above].group is not None for a in graph.arrows):
        parents = {group.number: group.parent for group in graph.groups}
        for group in graph.groups:
            inside = [n for n in graph.nodes if _is_in(n.group, group.number, parents)]
            assert (group.number in framed) == (len(inside) > 1)


def _is_in(number, group, parents):
    while number is not None and number != group:
        number = parents[number]
    return number == group


def _chain(num_modules, num_inside):
    nodes = [
        Node(number=i, kind="operation", name="Add", group=i // num_inside)
        for i in range(num_modules * num_inside)
    ]
    groups = [
        Group(number=i, name=f"m{i}", kind="Block", parent=None)
        for i in range(num_modules)
    ]
    return Graph(nodes, [Arrow(i, i + 1) for i in range(len(nodes) - 1)], groups)


@pytest.mark.parametrize("num_modules, is_open", [(10, True), (11, False)])
def test_modules_are_open_while_there_are_not_too_many_boxes(num_modules, is_open):
    graph = _chain(num_modules, MAX_OPEN_BOXES // 10)
    assert bool(Picture(graph).opened) == is_open
    assert graph.svg().count('class="operation"') == (MAX_OPEN_BOXES if is_open else 0)


def test_a_closed_module_tells_what_is_in_it():
    picture = Picture(_chain(2, 3), opened=False)
    rects, _ = picture.rects()
    assert set(rects) == {Item("group", 0), Item("group", 1)}
    assert picture.graph.svg(opened=False).count("3 operations") == 2


@pytest.mark.parametrize("num_arrows", [1, 2, 3, 40])
def test_arrows_between_two_boxes_lie_beside_each_other(num_arrows):
    nodes = [Node(number=i, kind="operation", name="a") for i in range(2)]
    graph = Graph(nodes, [Arrow(0, 1)] * num_arrows)
    check_picture(graph)
    shifts = [p.shift_px for p in Picture(graph).levels[None].pieces]
    assert len(set(shifts)) == num_arrows
    assert sum(shifts) == pytest.approx(0)
    assert shifts == sorted(shifts)


def test_a_parameter_in_its_module_goes_without_the_modules_name():
    nodes = [
        Node(number=0, kind="parameter", name="layers.0.weight", group=0),
        Node(number=1, kind="output", name="T", group=0),
    ]
    groups = [Group(number=0, name="layers.0", kind="Linear", parent=None)]
    svg = Graph(nodes, [Arrow(0, 1)], groups).svg(opened=True)
    assert ">weight</text>" in svg
    assert "<title>layers.0.weight</title>" in svg
