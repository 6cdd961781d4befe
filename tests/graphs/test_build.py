"""What `graph` finds: boxes, names, saved tensors; and what has no graph."""

import gc
import weakref

import pytest
import torch
from torch import nn
from torch.autograd.graph import save_on_cpu, saved_tensors_hooks

import gradatim as gt
from gradatim.errors import ConfigError, GraphError
from tests.graphs import models
from tests.graphs.drawn import arrows, boxes, drawn, node

GLOBAL = torch.ones(2, requires_grad=True)


# --- Names and kinds ------------------------------------------------------------------


def test_names_are_those_of_the_calling_function_and_its_file():
    weight = torch.ones(2, requires_grad=True)
    model = nn.Linear(2, 1)
    graph = gt.graph(model(GLOBAL * weight))
    names = {n.name for n in graph.nodes if n.kind == "parameter"}
    assert names == {"GLOBAL", "weight", "model.weight", "model.bias"}


def test_a_local_name_goes_before_the_same_name_of_the_file():
    outer = globals()["GLOBAL"]
    GLOBAL = torch.ones(2, requires_grad=True)
    found = [n.name for n in gt.graph(outer * GLOBAL).nodes if n.kind == "parameter"]
    assert found == ["outer", "GLOBAL"]


def test_of_two_names_the_first_is_taken():
    graph = gt.graph(GLOBAL.exp(), names={"one": GLOBAL, "two": GLOBAL})
    assert ("one", "Exp") in arrows(graph)


def test_without_names_a_parameter_is_only_a_parameter():
    weight = torch.ones(2, requires_grad=True)
    assert boxes(gt.graph(weight.exp(), names={})) == [
        ("output", "Exp"),
        ("parameter", "parameter"),
    ]


def test_names_may_be_given():
    weight = torch.ones(2, requires_grad=True)
    assert ("mine", "Exp") in arrows(gt.graph(weight.exp(), names={"mine": weight}))


def test_with_a_model_other_tensors_that_ask_for_a_gradient_are_inputs():
    model = nn.Linear(2, 1)
    x = torch.ones(3, 2, requires_grad=True)
    extra = nn.Parameter(torch.ones(1))
    graph = gt.graph(model(x) + extra, model=model)
    found = {n.name: n.kind for n in graph.nodes if not n.is_operation}
    assert found == {
        "x": "input",
        "weight": "parameter",
        "bias": "parameter",
        "extra": "parameter",
    }
    assert 'class="input"' in graph.svg()


def test_a_frozen_parameter_has_no_box():
    model = nn.Linear(2, 1)
    model.bias.requires_grad_(False)
    graph = gt.graph(model(torch.ones(1, 2)), model=model)
    assert {n.name for n in graph.nodes if not n.is_operation} == {"weight"}


def test_a_tied_weight_has_one_name_and_a_box_for_each_use():
    model = models.Tied()
    graph = gt.graph(model(torch.arange(4)).sum(), model=model)
    names = [n.name for n in graph.nodes if n.kind == "parameter"]
    assert names == ["embed.weight", "embed.weight"]
    assert graph._leaves.keys() == {n.number for n in graph.nodes if not n.is_operation}


def test_a_shared_parameter_has_a_box_for_each_use():
    weight = torch.ones(2, requires_grad=True)
    graph = gt.graph((weight * weight).sum() + weight.sum())
    assert [n.name for n in graph.nodes if n.kind == "parameter"] == ["weight"] * 3


def test_a_value_used_twice_has_one_box_and_two_arrows():
    weight = torch.ones(2, requires_grad=True)
    hidden = weight.exp()
    graph = gt.graph(hidden * hidden)
    assert arrows(graph) == [("weight", "Exp"), ("Exp", "Mul"), ("Exp", "Mul")]
    assert graph.svg().count("marker-end") == 3
    assert "as above" in graph.text()


def test_several_tensors_have_one_graph():
    weight = torch.rand(3, requires_grad=True)
    hidden = weight.exp()
    graph = gt.graph([hidden.sum(), hidden])
    assert boxes(graph) == [
        ("output", "Exp"),
        ("output", "Sum"),
        ("parameter", "weight"),
    ]
    drawn(graph)


def test_a_leaf_is_a_graph_of_one_box():
    weight = torch.ones(2, requires_grad=True)
    graph = gt.graph(weight)
    assert boxes(graph) == [("parameter", "weight")]
    assert graph.gradients().steps[0].values == (1.0, 1.0)
    drawn(graph)
    drawn(gt.graph(models.several_roots()))


def test_a_box_tells_shape_dtype_and_bytes():
    weight = torch.ones(2, 3, dtype=torch.float64, requires_grad=True)
    graph = gt.graph(weight.sum(1))
    found = node(graph, "Sum")
    assert (found.shape, found.dtype, found.num_bytes) == ((2,), "float64", 16)
    assert found.device == "cpu"
    found = node(graph, "weight")
    assert (found.shape, found.dtype, found.num_bytes) == ((2, 3), "float64", 48)


def test_options_are_told():
    weight = torch.ones(2, 3, requires_grad=True)
    assert node(gt.graph(weight.softmax(1)), "Softmax").options == {"dim": "1"}


def test_the_name_of_a_backwards_own_backward_says_so():
    names = {n.name for n in gt.graph(models.double_backward()).nodes}
    assert {"Tanh", "TanhBackward"} <= names


def test_a_function_of_ones_own_goes_by_its_name():
    assert node(gt.graph(models.custom()), "Twice").is_operation


# --- Saved tensors --------------------------------------------------------------------


def test_saved_tensors_have_their_sizes_until_backward():
    weight = torch.rand(2, 3, requires_grad=True)
    loss = weight.exp().sum()
    (saved,) = node(gt.graph(loss), "Exp").saved
    assert (saved.name, saved.state, saved.shape) == ("result", "kept", (2, 3))
    assert gt.graph(loss).num_saved_bytes == saved.num_bytes == 24
    loss.backward()
    (saved,) = node(gt.graph(loss), "Exp").saved
    assert (saved.state, saved.shape, saved.num_bytes) == ("freed", None, 0)
    assert gt.graph(loss).num_saved_bytes == 0
    drawn(gt.graph(loss))


def test_an_inputs_own_tensor_is_kept_too():
    weight, other = (torch.rand(3, requires_grad=True) for _ in "wo")
    saved = node(gt.graph(weight * other), "Mul").saved
    assert [(s.name, s.state) for s in saved] == [("other", "kept"), ("self", "kept")]


def test_a_functions_own_saved_tensors_are_told():
    loss = models.custom()
    saved = node(gt.graph(loss), "Twice").saved
    assert [(s.state, s.shape) for s in saved] == [("kept", (3,))]
    loss.backward()
    assert {s.state for s in node(gt.graph(loss), "Twice").saved} == {"freed"}


def test_a_packed_tensor_is_never_unpacked():
    unpacked = []

    def unpack(packed):
        unpacked.append(packed)
        raise RuntimeError("unpacked")

    weight = torch.rand(3, requires_grad=True)
    with saved_tensors_hooks(lambda tensor: "packed", unpack), gt.record() as recorded:
        loss = (weight.exp() * weight).sum()
        custom = models.Twice.apply(weight).sum()
    for graph in (gt.graph([loss, custom]), recorded.graph([loss, custom], data=True)):
        drawn(graph)
        states = {s.state for n in graph.nodes for s in n.saved}
        assert states == {"packed"}
        assert graph.has_packed
    assert unpacked == []
    assert "unpacked" in gt.graph(loss).gradients().why_not


def test_tensors_saved_on_the_cpu_are_packed():
    weight = torch.rand(3, requires_grad=True)
    with save_on_cpu():
        loss = weight.exp().sum()
    graph = gt.graph(loss)
    assert node(graph, "Exp").saved[0].state == "packed"
    drawn(graph)
    assert graph.gradients().steps[-1].norm == pytest.approx(weight.exp().norm().item())


@pytest.mark.parametrize("compute", [models.checkpointed, models.checkpointed_segments])
def test_checkpointed_forwards_do_not_run_again(monkeypatch, compute):
    calls = []
    forward = nn.Linear.forward
    monkeypatch.setattr(
        nn.Linear, "forward", lambda self, x: calls.append(1) or forward(self, x)
    )
    loss = compute()
    num_calls = len(calls)
    assert num_calls > 0
    drawn(gt.graph(loss))
    assert len(calls) == num_calls


# --- Memory ---------------------------------------------------------------------------


def test_the_graph_of_autograd_goes_with_the_last_graph():
    class Keeping(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            refs.append(weakref.ref(ctx))
            return x.clone()

        @staticmethod
        def backward(ctx, gradient):
            return gradient

    refs = []
    weight = torch.ones(2, requires_grad=True)
    loss = Keeping.apply(weight).sum()
    graph = gt.graph(loss)
    graph.gradients()
    drawn(graph)
    del loss
    gc.collect()
    assert refs[0]() is not None
    assert not graph.gradients().why_not
    del graph
    gc.collect()
    assert refs[0]() is None


def test_a_dead_loss_is_not_kept_by_the_look_at_the_callers_variables():
    weight = torch.ones(2, requires_grad=True)
    loss = weight.sum()
    ref = weakref.ref(loss)
    gt.graph(weight.exp())
    del loss
    gc.collect()
    assert ref() is None


# --- No graph -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "compute, message",
    [
        (
            lambda w: (w > 0).long(),
            r"shape \(2,\) has no graph(.|\n)*dtype is int64(.|\n)*computed from",
        ),
        (lambda w: w > 0, "dtype is bool"),
        (lambda w: w.argmax(), r"shape \(\) (.|\n)*not a class, an index"),
        (lambda w: w.detach(), r"detached \(detach(.|\n)*tensor\.grad_fn say where"),
        (lambda w: torch.ones(2), r"Look at each: tensor\.requires_grad"),
    ],
)
def test_a_tensor_without_a_graph_is_told_why(compute, message):
    weight = torch.ones(2, requires_grad=True)
    with pytest.raises(GraphError, match=message):
        gt.graph(compute(weight))
    with gt.record() as recorded:
        result = compute(weight)
    with pytest.raises(GraphError, match=message):
        recorded.graph(result)


def test_one_of_several_tensors_without_a_graph_is_told():
    weight = torch.ones(3, requires_grad=True)
    with pytest.raises(GraphError, match=r"shape \(3,\) has no graph"):
        gt.graph([weight.sum(), weight.detach()])


def test_no_grad_is_told():
    weight = torch.ones(2, requires_grad=True)
    with (
        torch.no_grad(),
        pytest.raises(GraphError, match=r"torch\.no_grad\(\)(.|\n)*ou"),
    ):
        gt.graph(weight.exp())


def test_inference_mode_is_told_there_and_later():
    weight = torch.ones(2, requires_grad=True)
    with torch.inference_mode():
        result = weight.exp()
        with pytest.raises(GraphError, match=r"inference_mode\(\)(.|\n)*outside"):
            gt.graph(result)
    with pytest.raises(GraphError, match=r"inference_mode\(\)(.|\n)*outside"):
        gt.graph(result)


def test_inference_mode_is_told_for_a_tensor_from_outside():
    given = torch.ones(2)
    with torch.inference_mode(), pytest.raises(GraphError, match="inference_mode"):
        gt.graph(given)


def test_frozen_parameters_are_told_with_their_number():
    model = nn.Linear(2, 1).requires_grad_(False)
    with pytest.raises(GraphError, match=r"All 2 (.|\n)*model\.requires_grad_\(\)"):
        gt.graph(model(torch.ones(1, 2)), model=model)


@pytest.mark.parametrize("given", [3.0, None, [], [1.0], "loss", {"loss": 1}])
def test_what_is_no_tensor_is_refused(unchecked, given):
    with pytest.raises(ConfigError, match=r"takes a tensor(.|\n)*Give it the loss"):
        gt.graph(given)


def test_a_look_changes_nothing():
    loss = models.mlp()
    numbers = torch._C._autograd._get_sequence_nr()
    drawn(gt.graph(loss))
    assert torch._C._autograd._get_sequence_nr() == numbers
    assert gt.graph(loss).to_dict() == gt.graph(loss).to_dict()
