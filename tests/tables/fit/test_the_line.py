"""The tutorial's line, as the main job has it."""

import numpy as np
import pytest
import torch

from gradatim.data import line, line_split
from gradatim.errors import ConfigError
from gradatim.tables.fit.fit import fit_table, predict_rows
from gradatim.tables.fit.the_line import (
    least_squares,
    line_config,
    plan_line,
    trained_line,
)


@pytest.fixture(scope="module")
def trained():
    return fit_table(plan_line(line_config()), progress=False)


def test_it_ends_beside_the_tutorials_numbers(trained):
    best_a, best_b = least_squares(trained.plan)
    assert (round(best_a, 4), round(best_b, 4)) == (1.0235, 1.9690)
    # Batches of 16 end a little beside it, as rungs 12 to 14 do.
    assert trained_line(trained.plan) == pytest.approx((best_a, best_b), abs=0.01)


def test_least_squares_are_numpys(trained):
    (x, y), _ = line_split(*line())
    slope, intercept = np.polyfit(x.squeeze(1).double(), y.squeeze(1).double(), 1)
    assert least_squares(trained.plan) == pytest.approx((intercept, slope), rel=1e-6)


def test_its_parts_are_the_tutorials(trained):
    plan, (train, val) = trained.plan, line_split(*line())
    assert torch.equal(plan.table.x["numbers"][plan.train], train[0])
    assert torch.equal(plan.table.y[plan.val], val[1].squeeze(1))


def test_the_model_answers_a_plain_x(trained):
    a, b = trained_line(trained.plan)
    answers = predict_rows(trained.model, {"numbers": torch.tensor([[0.0], [1.0]])})
    assert answers.tolist() == pytest.approx([a, a + b], rel=1e-6)


def test_scores_are_as_good_as_least_squares(trained):
    scores = trained.scores
    assert scores["model"]["r2"] == pytest.approx(scores["linear"]["r2"], abs=1e-3)
    assert scores["model"]["r2"] > 0.9 > scores["baseline"]["r2"]


def test_nothing_global_is_seeded():
    before = torch.get_rng_state()
    fit_table(plan_line(line_config(epochs=1)), progress=False)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"epochs": 0}, "epochs must be 1 or more, got 0"),
        ({"batch_size": 0}, "batch_size must be 1 or more, got 0"),
        ({"lr": -0.1}, "lr must be positive and finite, got -0.1"),
        ({"seed": -1}, "seed"),
    ],
)
def test_choices_out_of_range_are_refused(choices, message):
    with pytest.raises(ConfigError, match=message):
        plan_line(line_config(**choices))
