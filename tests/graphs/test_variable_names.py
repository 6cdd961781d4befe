"""Tensors have the names of the user's variables, and those stay as they are."""

import gc
import weakref

import pytest
import torch
from torch import nn

import gradatim as gt
from gradatim.graphs.variable_names import is_calling_code
from tests.graphs.drawn import arrows, boxes

GLOBAL = torch.ones(2, requires_grad=True)


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


def test_names_are_found_inside_functions_that_have_returned():
    def build():
        slope = torch.ones(1, requires_grad=True)
        points = torch.rand(4, 1)
        return (slope * points).sum()

    with gt.record() as recorded:
        loss = build()
    graph = recorded.graph(loss, data=True)
    assert {"slope", "points"} <= {n.name for n in graph.nodes}


def test_a_dead_loss_is_not_kept_by_the_look_at_the_callers_variables():
    weight = torch.ones(2, requires_grad=True)
    loss = weight.sum()
    ref = weakref.ref(loss)
    gt.graph(weight.exp())
    del loss
    gc.collect()
    assert ref() is None


def test_the_users_own_locals_are_left_alone():
    def function():
        weight = torch.ones(1, requires_grad=True)
        mine = locals()
        with gt.record() as recorded:
            loss = 2 * weight
        recorded.graph(loss)
        gt.graph(loss)
        return mine["weight"] is weight

    assert function()


@pytest.mark.parametrize(
    ("file", "wanted"),
    [
        (__file__, True),
        ("<stdin>", True),
        (torch.__file__, False),
        (gt.graphs.__file__, False),
        ("<@beartype(f) at 0x1>", False),
        ("<eval_with_key>.3", False),
        ("site-packages/jaxtyping/_decorator.py", False),
    ],
)
def test_code_of_torch_and_of_this_package_is_no_calling_code(file, wanted):
    assert is_calling_code(file) is wanted
