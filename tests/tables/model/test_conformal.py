"""Conformal intervals: the promised share, whatever the errors are like."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gradatim.tables.model.conformal import Errors, half_width, rows_needed
from gradatim.tables.model.scores import score

LEVELS = st.sampled_from([0.05, 0.5, 0.7, 0.9, 0.95])


@given(rows=st.integers(1, 60), level=LEVELS, seed=st.integers(0, 99))
def test_of_n_plus_1_rows_so_many_lie_within_that_of_the_others(rows, level, seed):
    # The theorem itself: leave each of n + 1 rows out, and count.
    errors = torch.rand(rows + 1, generator=torch.Generator().manual_seed(seed))
    inside = [
        errors[i] <= half_width(torch.cat([errors[:i], errors[i + 1 :]]), level)
        for i in range(rows + 1)
    ]
    assert np.mean(inside) >= level - 1e-9
    assert rows < rows_needed(level) or np.mean(inside) <= level + 1 / (rows + 1) + 1e-9


@given(rows=st.integers(1, 60), level=LEVELS, seed=st.integers(0, 99))
def test_the_place_is_exact_and_equal_weights_change_nothing(rows, level, seed):
    errors = torch.rand(rows, generator=torch.Generator().manual_seed(seed))
    found = half_width(errors, level)
    place = math.ceil((rows + 1) * Fraction(str(level)))
    if place > rows:
        assert found == math.inf and rows < rows_needed(level)
    else:
        assert found == sorted(errors.tolist())[place - 1]
    assert half_width(errors, level, torch.full((rows,), 3.0)) == found


def test_a_row_of_twice_the_weight_counts_twice():
    errors = torch.tensor([4.0, 1.0, 3.0, 2.0])
    weights = torch.tensor([1.0, 4.0, 1.0, 2.0])  # 8 in all, and 2 for the new row
    assert half_width(errors, 0.4, weights) == 1
    assert half_width(errors, 0.6, weights) == 2
    assert half_width(errors, 0.7, weights) == 3
    assert half_width(errors, 0.8, weights) == 4
    assert half_width(errors, 0.81, weights) == math.inf


def test_several_trainings_have_their_errors_together():
    parts = [
        Errors.of({"model": torch.tensor(a)}, torch.tensor(y), None)
        for a, y in [([1.0, 2.0], [1.0, 4.0]), ([3.0], [8.0])]
    ]
    assert Errors.conformal(parts, 0.5).of("model") == (0.5, 2.0)
    assert Errors.conformal(parts[:1], 0.6).of("model") == (0.6, 2.0)


def test_coverage_is_the_weighted_share_within():
    answers, targets = torch.tensor([1.0, 1.0, 1.0]), torch.tensor([1.5, 0.5, 3.0])
    weights = torch.tensor([1.0, 2.0, 5.0])
    found = score("regression", answers, targets, weights, interval=(0.9, 0.5))
    assert found["coverage_0.9"] == 3 / 8
    assert found["interval_width"] == 1
    assert list(found)[:4] == ["rmse", "mae", "median_error", "r2"]
    assert "coverage_0.9" not in score("regression", answers, targets)


@pytest.mark.parametrize(("level", "rows"), [(0.5, 1), (0.9, 9), (0.99, 99)])
def test_so_many_rows_are_needed(level, rows):
    assert rows_needed(level) == rows
    assert half_width(torch.ones(rows), level) == 1
    assert half_width(torch.ones(rows - 1), level) == math.inf if rows > 1 else True
