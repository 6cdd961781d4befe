"""The tutorial's pictures: which boxes, in which colours, with which arrows."""

import re
from collections import Counter
from xml.etree import ElementTree

import pytest
import torch

import gradatim as gt
from gradatim.ladder.rung_06_graph import pictures
from tests.graphs.drawn import SVG, arrows, boxes, check_picture, drawn

A, B = ("parameter", "a"), ("parameter", "b")

YHAT = [("b", "Mul"), ("a", "Add"), ("Mul", "Add")]
ERROR = [*YHAT, ("Add", "Sub")]
LOSS = [*ERROR, ("Sub", "Pow"), ("Pow", "Mean")]

EXPECTED = {
    "yhat": ([A, B, ("operation", "Mul"), ("output", "Add")], YHAT),
    "error": (
        [A, B, ("operation", "Mul"), ("operation", "Add"), ("output", "Sub")],
        ERROR,
    ),
    "loss": (
        [A, B]
        + [("operation", name) for name in ("Mul", "Add", "Sub", "Pow")]
        + [("output", "Mean")],
        LOSS,
    ),
    "fixed": ([B, ("operation", "Mul"), ("output", "Add")], [YHAT[0], YHAT[2]]),
    "branched": (
        [A, B, B]
        + [("operation", name) for name in ("Mul", "Add", "Sub", "Pow", "Mean")]
        + [("operation", name) for name in ("Mul", "Sub", "Mean")]
        + [("output", "Add")],
        [
            *LOSS,
            ("b", "Mul"),
            ("Mul", "Sub"),
            ("Sub", "Mean"),
            ("Mean", "Add"),
            ("Mean", "Add"),
        ],
    ),
}


@pytest.fixture(scope="module")
def tutorial():
    return {name: graph for name, (_, graph) in pictures().items()}


@pytest.mark.parametrize("name", EXPECTED)
def test_the_boxes_and_arrows_are_the_tutorials(tutorial, name):
    expected_boxes, expected_arrows = EXPECTED[name]
    assert boxes(tutorial[name]) == sorted(expected_boxes)
    # Sorted: only among the arguments of one operation is there an order.
    assert sorted(arrows(tutorial[name])) == sorted(expected_arrows)


def test_every_picture_of_the_rung_is_compared(tutorial):
    assert set(tutorial) == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_every_arrow_leads_to_a_later_box(tutorial, name):
    assert all(arrow.above < arrow.below for arrow in tutorial[name].arrows)


@pytest.mark.parametrize("name", EXPECTED)
def test_blue_gray_green_are_in_the_svg(tutorial, name):
    root = ElementTree.fromstring(tutorial[name].svg())
    kinds = Counter(each.get("class") for each in root.iter(f"{SVG}g"))
    assert kinds == Counter(kind for kind, _ in EXPECTED[name][0])
    num_lines = sum(
        each.get("marker-end") is not None for each in root.iter(f"{SVG}path")
    )
    assert num_lines == len(EXPECTED[name][1])
    dot = tutorial[name].dot()
    assert dot.count("lightblue") == kinds["parameter"]
    assert dot.count("gray90") == kinds["operation"]
    assert dot.count("darkolivegreen1") == kinds["output"] == 1
    assert len(re.findall(r"n\d+ -> n\d+;", dot)) == len(EXPECTED[name][1])


@pytest.mark.parametrize("name", EXPECTED)
def test_the_rungs_pictures_are_drawn_well(tutorial, name):
    drawn(tutorial[name])
    check_picture(tutorial[name])


def test_the_text_of_yhat():
    a = torch.ones(1, requires_grad=True)
    b = torch.ones(1, requires_grad=True)
    x = torch.ones(80, 1)
    assert gt.graph(a + b * x).text() == (
        "Add (80, 1) #3   backward starts here\n"
        "├─ a (1)   parameter\n"
        "Mul (80, 1) #1\n"
        "└─ b (1)   parameter\n"
    )
