"""Stepping backward: autograd's own order, its norms, and nothing touched."""

import math

import pytest
import torch
from torch import nn

import gradatim as gt
from gradatim.graphs import gradients
from gradatim.graphs.gradients import MAX_VALUES
from gradatim.graphs.tensors import shape_of
from tests.bits import assert_same_bits
from tests.graphs import models
from tests.graphs.drawn import data_of

COMPUTED = [
    each
    for each in models.ALL
    # autograd.grad refuses the old kind of checkpoint
    if each not in (models.deep_transformer, models.checkpointed_reentrant)
]


def _real_order(graph, tensors):
    """Run backward for real; give nodes and norms as hooks of each node see them.

    ``AccumulateGrad`` stands as the frozen set of all boxes of its leaf.
    """
    boxes, functions, seen = {}, dict(graph._functions), []
    for number, leaf in graph._leaves.items():
        boxes.setdefault(id(leaf), []).append(number)

    def note(where):
        def hook(gradients):
            there = [g for g in gradients if g is not None]
            seen.append((where, _norm(there) if there else None))

        return hook

    for number, function in functions.items():
        function.register_prehook(note((number,)))
    keep = {
        id(other.variable): other
        for function in functions.values()
        for other, _ in function.next_functions
        if hasattr(other, "variable")
    }
    for key, numbers in boxes.items():
        keep[key].register_prehook(note(tuple(numbers)))
    torch.autograd.backward(
        tensors, [torch.ones_like(each) for each in tensors], retain_graph=True
    )
    return seen


def _norm(tensors):
    flat = [t.coalesce().values() if t.is_sparse else t for t in tensors]
    flat = [t.values() if t.is_nested else t for t in flat]
    return math.sqrt(sum(float(t.abs().double().square().sum()) for t in flat))


@pytest.mark.parametrize("compute", COMPUTED, ids=lambda each: each.__name__)
def test_steps_are_those_of_a_real_backward_in_its_order(unchecked, compute):
    loss = compute()
    graph = gt.graph(loss)
    steps = graph.gradients().steps
    real = _real_order(graph, [loss])
    assert [step.nodes for step in steps] == [nodes for nodes, _ in real]
    for step, (_, norm) in zip(steps, real, strict=True):
        assert step.norm == pytest.approx(norm, rel=1e-5)


@pytest.mark.parametrize("compute", COMPUTED, ids=lambda each: each.__name__)
def test_norms_are_those_of_grad_and_no_grad_is_touched(unchecked, compute):
    loss = compute()
    graph = gt.graph(loss)
    leaves = {id(leaf): leaf for leaf in graph._leaves.values()}
    before = {key: leaf.grad for key, leaf in leaves.items()}
    backward = graph.gradients()
    assert not backward.why_not
    assert {key: leaf.grad for key, leaf in leaves.items()} == before
    loss.backward()
    norms = {}
    for step in backward.steps:
        for number in step.nodes:
            if number in graph._leaves:
                norms[id(graph._leaves[number])] = step
    assert set(norms) == set(leaves)
    for key, leaf in leaves.items():
        assert norms[key].norm == pytest.approx(_norm([leaf.grad]), rel=1e-6)
        assert norms[key].shape == shape_of(leaf)


def test_small_gradients_are_given_in_full_and_large_ones_by_their_norm():
    few = torch.arange(float(MAX_VALUES), requires_grad=True)
    many = torch.arange(MAX_VALUES + 1.0, requires_grad=True)
    graph = gt.graph((few**2).sum() + (many**2).sum())
    by_name = {
        graph.nodes[step.nodes[0]].name: step for step in graph.gradients().steps
    }
    assert by_name["few"].values == tuple(2.0 * n for n in range(MAX_VALUES))
    assert by_name["few"].shape == (MAX_VALUES,)
    assert by_name["many"].values is None
    assert by_name["many"].norm == pytest.approx(2 * math.sqrt(1496))


def test_the_norm_of_a_half_precision_gradient_does_not_overflow():
    weight = torch.ones(2, dtype=torch.float16, requires_grad=True)
    steps = gt.graph((weight * 60_000).sum()).gradients().steps
    assert steps[-1].norm == pytest.approx(60_000 * math.sqrt(2), rel=1e-3)


def test_a_complex_gradient_has_a_norm_and_values_as_texts():
    z = torch.tensor([3.0 + 4.0j], requires_grad=True)
    steps = gt.graph((z * z.conj()).real.sum()).gradients().steps
    assert steps[-1].norm == pytest.approx(10.0)
    assert steps[-1].values == ("(6+8j)",)


def test_a_leaf_is_whole_when_its_last_use_has_given_its_share():
    weight = torch.tensor([2.0], requires_grad=True)
    graph = gt.graph(weight * weight * weight)
    *_, last = graph.gradients().steps
    assert last.norm == 12.0
    assert [graph.nodes[n].name for n in last.nodes] == ["weight"] * 3


def test_several_tensors_are_taken_for_the_sum_of_all():
    weight = torch.ones(3, requires_grad=True)
    graph = gt.graph([2 * weight, 3 * weight, weight])
    by_name = {graph.nodes[s.nodes[0]].name: s for s in graph.gradients().steps}
    assert by_name["weight"].values == (6.0, 6.0, 6.0)


def test_several_tensors_keep_the_order_of_a_real_backward():
    tensors = models.several_roots()
    graph = gt.graph(tensors)
    steps = graph.gradients().steps
    assert sorted(step.nodes for step in steps) == sorted(
        nodes for nodes, _ in _real_order(graph, tensors)
    )


def test_the_graph_stays_and_backward_is_asked_for_once():
    torch.manual_seed(0)
    model = nn.Linear(3, 1)
    loss = model(torch.ones(2, 3)).mean()
    calls = []
    loss.grad_fn.register_prehook(lambda gradients: calls.append(1))
    graph = gt.graph(loss)
    assert graph.gradients() is graph.gradients()
    graph.html()
    assert len(calls) == 1
    again = gt.graph(loss)
    assert again.to_dict() == graph.to_dict()
    loss.backward()
    assert_same_bits(model.bias.grad, torch.ones(1))
    assert len(calls) == 2


@pytest.mark.parametrize("fails", [False, True])
def test_no_hook_is_left_behind(monkeypatch, fails):
    calls = []
    loss = models.tutorial()
    graph = gt.graph(loss)
    if fails:
        handle = loss.register_hook(lambda gradient: 1 / 0)
    assert bool(graph.gradients().why_not) == fails
    monkeypatch.setattr(gradients, "BackwardStep", lambda **given: calls.append(given))
    if fails:
        handle.remove()
    loss.backward()
    assert calls == []


def test_after_backward_there_is_a_reason_why_not():
    loss = models.mlp()
    loss.backward()
    backward = gt.graph(loss).gradients()
    assert backward.steps == ()
    assert "backward through the graph a second time" in backward.why_not
    assert "\n" not in backward.why_not
    page = gt.graph(loss).html()
    assert data_of(page)["why_not"] == backward.why_not


def test_the_old_kind_of_checkpoint_is_a_reason_why_not():
    graph = gt.graph(models.checkpointed_reentrant())
    assert "use_reentrant=True" in graph.gradients().why_not
    assert "use_reentrant=True" in data_of(graph.html())["why_not"]


def test_a_hook_that_raises_is_a_reason_why_not():
    weight = torch.ones(2, requires_grad=True)
    hidden = 2 * weight

    def hook(gradient):
        raise KeyError("my\nhook")

    hidden.register_hook(hook)
    graph = gt.graph(hidden.sum())
    assert "my" in graph.gradients().why_not
    assert data_of(graph.html())["steps"] == []
    assert weight.grad is None


@pytest.mark.parametrize("off", [torch.no_grad, torch.inference_mode])
def test_gradients_run_where_gradients_are_off(off):
    graph = gt.graph(models.tutorial())
    with off():
        assert len(graph.gradients().steps) == 7
        assert not torch.is_grad_enabled()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_gradients_that_are_no_numbers_are_still_json(value):
    weight = torch.ones(2, requires_grad=True)
    graph = gt.graph((weight * value).sum())
    norm = graph.gradients().steps[-1].norm
    assert norm == math.inf or math.isnan(norm)
    data = data_of(graph.html())
    assert data["steps"][-1]["norm"] in ("nan", "inf")


def test_a_gradient_that_does_not_arrive_has_no_norm():
    class One(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            return x + y

        @staticmethod
        def backward(ctx, gradient):
            return gradient, None

    x, y = (torch.ones(2, requires_grad=True) for _ in "xy")
    graph = gt.graph(One.apply(x.exp(), y.exp()).sum())
    assert not graph.gradients().why_not
    by_name = {graph.nodes[s.nodes[0]].name: s for s in graph.gradients().steps}
    assert by_name["y"].norm is None
    assert by_name["x"].norm == pytest.approx(math.e * math.sqrt(2))
    data_of(graph.html())


def test_a_page_does_not_run_checkpointed_forwards_unless_asked_to():
    calls = []

    class Counting(nn.Linear):
        def forward(self, x):
            calls.append(1)
            return super().forward(x)

    model = Counting(2, 2)
    x = torch.ones(1, 2, requires_grad=True)
    out = torch.utils.checkpoint.checkpoint(model, x, use_reentrant=False)
    graph = gt.graph(out.sum())
    assert graph.has_packed
    graph.svg(), graph.text(), graph.dot(), graph.to_dict()
    why_not = data_of(graph.html())["why_not"]
    assert "html(gradients=True)" in why_not
    assert len(calls) == 1
    assert data_of(graph.html(gradients=True))["steps"]
    assert len(calls) == 2
