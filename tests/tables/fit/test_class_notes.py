"""Classes that are written in two ways, or have one row, are told; others are not."""

import numpy as np
import pytest

from gradatim.tables.fit.plan import plan_table
from gradatim.tables.table import read_table


def notes(labels):
    x = np.random.default_rng(0).normal(size=len(labels))
    return plan_table(read_table({"x": x, "y": labels}, target="y")).notes


@pytest.mark.parametrize("other", ["Yes", "YES", " yes", "yes "])
def test_variants_of_a_class_are_told(other):
    told = notes(["yes"] * 20 + [other] * 20 + ["no"] * 20)
    (note,) = (line for line in told if "case or spaces" in line)
    assert repr(other) in note and "'yes'" in note


def test_a_class_of_one_row_is_told():
    told = notes(["yes"] * 30 + ["no"] * 29 + ["may be"])
    assert any(line.startswith("y: 1 class has one row ('may be'") for line in told)


@pytest.mark.parametrize(
    "labels", [["yes", "no"], ["a b", "ab"], [1, 0], [True, False]]
)
def test_other_classes_are_not_told(labels):
    assert notes(labels * 30) == []
