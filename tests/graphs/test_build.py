"""What `graph` builds: boxes, arrows and their names; and what has no graph."""

import gc
import weakref

import pytest
import torch
from torch import nn

import gradatim as gt
from gradatim.errors import ConfigError, GraphError
from tests.graphs import models
from tests.graphs.drawn import arrows, boxes, drawn, node

# --- Names and kinds ------------------------------------------------------------------


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
