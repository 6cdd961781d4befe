"""Computations of all kinds are drawn, recorded or not, twice with the same result."""

import pytest
import torch

import gradatim as gt
from tests.graphs import models
from tests.graphs.drawn import check_picture, drawn, titles

# Types are checked by the tests of small graphs: here that would take minutes.
pytestmark = pytest.mark.usefixtures("unchecked")


@pytest.mark.parametrize("compute", models.ALL, ids=lambda each: each.__name__)
def test_it_is_drawn_twice_the_same_and_recording_changes_no_bit(compute):
    torch.manual_seed(1)
    plain = compute()
    state = torch.get_rng_state()
    torch.manual_seed(1)
    with gt.record() as recorded:
        loss = compute()
    assert torch.equal(plain, loss)
    assert torch.equal(torch.get_rng_state(), state)
    graph = recorded.graph(loss, data=True)
    assert drawn(graph) == drawn(recorded.graph(loss, data=True))
    if compute is not models.jagged:  # a length there has a new name each time
        assert drawn(gt.graph(loss)) == drawn(gt.graph(plain))
    check_picture(graph, ways=[True, False])
    assert len({each.number for each in graph.nodes}) == len(graph.nodes)


def test_a_model_with_random_branches_has_another_graph_each_time():
    torch.manual_seed(0)
    model = models.Branching()
    with gt.record(model) as recorded:
        losses = [model(torch.rand(2, 4)).mean() for _ in range(8)]
    lengths = {len(recorded.graph(loss).nodes) for loss in losses}
    assert len(lengths) > 2
    both = recorded.graph(losses)
    check_picture(both)


def test_the_cell_of_an_unrolled_rnn_is_one_module_called_50_times():
    with gt.record() as recorded:
        loss = models.unrolled()
    graph = recorded.graph(loss)
    assert titles(graph)[:2] == ["RNNCell (1 of 50)", "RNNCell (2 of 50)"]
    weights = [n for n in graph.nodes if n.name == "weight_hh"]
    assert len(weights) == 50


def test_a_transformers_modules_are_nested():
    with gt.record() as recorded:
        loss = models.transformer()
    graph = recorded.graph(loss)
    (layers,) = [g.number for g in graph.groups if g.name == "layers.1"]
    inner = [g.name for g in graph.groups if g.parent == layers]
    assert inner == [
        "layers.1.self_attn",
        "layers.1.dropout1",
        "layers.1.norm1",
        "layers.1.linear1",
        "layers.1.dropout",
        "layers.1.linear2",
        "layers.1.dropout2",
        "layers.1.norm2",
    ]


@pytest.mark.parametrize(
    "number", [4_000, pytest.param(20_000, marks=pytest.mark.slow)]
)
def test_many_operations_are_no_recursion(number):
    value = torch.ones(1, requires_grad=True)
    loss = value
    for _ in range(number):
        loss = loss + 1
    graph = gt.graph(loss)
    assert len(graph.nodes) == number + 1
    drawn(graph)
    assert len(graph.gradients().steps) == number + 1


@pytest.mark.parametrize("compute", models.ALL, ids=lambda each: each.__name__)
def test_a_closed_module_makes_no_circle(compute):
    """Whatever is grouped, each module as one box still leaves a graph without one."""
    with gt.record() as recorded:
        loss = compute()
    graph = recorded.graph(loss, data=True)
    for group in graph.groups:
        inside = _inside(graph, group.number)
        below = {}
        for arrow in graph.arrows:
            below.setdefault(arrow.above, []).append(arrow.below)
        waiting = [n for i in inside for n in below.get(i, []) if n not in inside]
        seen = set()
        while waiting:
            number = waiting.pop()
            assert number not in inside, group.title
            if number not in seen:
                seen.add(number)
                waiting += below.get(number, [])


def _inside(graph, number):
    """Give the nodes in a module and in those that it calls."""
    groups = {number}
    for group in graph.groups:
        if group.parent in groups:
            groups.add(group.number)
    return {node.number for node in graph.nodes if node.group in groups}
