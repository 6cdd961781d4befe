"""Pictures are well-formed, say what they are, and survive any number."""

import math
from xml.etree import ElementTree

import pytest
import torch

from gradatim.course.loss_bowl import bowl, descend, descent_of, largest_stable_lr, rows
from gradatim.pages.charts import Chart, bars, beside


def parsed(svg):
    return ElementTree.fromstring(svg)


def test_it_is_svg_with_a_name():
    svg = Chart((0, 1), (0, 2), title="a < b").points([0.5], [1.0], label="one").svg()
    root = parsed(svg)
    assert root.get("role") == "img" and root.get("aria-label") == "a < b"
    assert len([e for e in root.iter() if e.tag.endswith("circle")]) == 2


def test_points_outside_are_not_drawn():
    svg = Chart((0, 1), (0, 1)).points([0.5, 3.0], [0.5, 0.5]).svg()
    assert svg.count("<circle") == 1


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_line_ends_where_a_number_is_none(bad):
    svg = Chart((0, 4), (0, 1)).line([0, 1, 2, 3, 4], [0, 1, bad, 1, 0]).svg()
    assert svg.count("<polyline") == 2 and "nan" not in svg and "inf" not in svg


def test_a_long_line_is_thinned():
    svg = Chart((0, 9999), (0, 1)).line(range(10_000), [0.5] * 10_000).svg()
    assert len(svg) < 20_000


def test_ticks_of_powers():
    svg = Chart((0, 1), (1e-3, 100), log_y=True).svg()
    assert ">0.001<" in svg and ">100<" in svg


def test_bars_take_infinity():
    parsed(bars([("a", 1.0), ("b", math.inf), ("c", -2.0)], title="t"))


def test_two_stand_side_by_side():
    assert beside("<svg/>", "<svg/>").count("<svg/>") == 2


def test_the_bowl_has_its_bottom_and_its_path():
    svg = bowl(("down", "blue", descend(epochs=5)), title="down the bowl")
    assert svg.count("<polyline") >= 6
    parsed(svg)


def test_beyond_the_largest_rate_it_diverges_and_below_not():
    limit = largest_stable_lr(rows()[0])
    assert descend(lr=1.02 * limit, epochs=300).diverged
    assert not descend(lr=0.98 * limit, epochs=300).diverged


def test_the_loss_is_that_of_torch():
    x, y = rows()
    wanted = torch.nn.functional.mse_loss(1.0 + 2.0 * x, y)
    place = torch.tensor([[1.0, 2.0]], dtype=torch.float64)
    assert descent_of(place, x, y).losses == pytest.approx([float(wanted)])


def test_stochastic_descent_makes_an_update_a_point():
    assert len(descend(batch_size=1, epochs=2).path) == 161
    assert len(descend(batch_size=16, epochs=2).path) == 11
