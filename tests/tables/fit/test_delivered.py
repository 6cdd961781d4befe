"""The better of network and linear model answers, and no test row has a part in it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from gradatim.tables.fit.config import TabularConfig
from gradatim.tables.fit.fit import fit_table, predict_rows
from gradatim.tables.fit.plan import plan_table
from gradatim.tables.model.scores import score
from gradatim.tables.table import read_table
from tests.tables.fit.test_plan import table_of, with_other_rows

WRONG = {"epochs": 2, "lr": 1.0, "warmup": 0.0, "weight_decay": 0.0}
"""Such steps lead the network away from the linear model that it starts from."""


def fitted(table, *, factory=None, **choices):
    config = TabularConfig(**{**WRONG, **choices})
    return fit_table(plan_table(table, config, factory=factory), progress=False)


@pytest.mark.parametrize("target", ["price", "dear", "town"])
def test_a_network_that_is_worse_does_not_answer(target):
    found = fitted(table_of(target))
    model, plan = found.model, found.plan
    assert found.choice.by == model.answered_by == "linear"
    x, y = plan.table.select(plan.test).x, plan.table.y[plan.test]
    linear = found.baselines.answers(x)["linear"]
    torch.testing.assert_close(
        predict_rows(model, x).double(), linear, rtol=1e-6, atol=1e-6
    )
    assert found.scores["model"] == pytest.approx(found.scores["linear"], rel=1e-4)
    network = predict_rows(model, x, by="network")
    assert found.scores["network"] == score(model.task, network, y)
    assert torch.equal(found.tests[0].answers, predict_rows(model, x))


@pytest.mark.parametrize("target", ["price", "dear", "town"])
def test_the_mean_of_both_can_answer(target):
    found = fitted(table_of(target), lr=0.05)
    x = found.plan.table.x
    network, linear = (
        predict_rows(found.model, x, by=each) for each in ("network", "linear")
    )
    answers = predict_rows(found.model.deliver("mean", found.baselines), x)
    torch.testing.assert_close(answers, (network + linear) / 2)
    assert answers.dtype == network.dtype == linear.dtype


@pytest.mark.parametrize("target", ["price", "town"])
@pytest.mark.parametrize("lr", [1.0, 0.01])
def test_test_rows_have_no_part_in_the_choice(target, lr):
    table = table_of(target)
    found = fitted(table, lr=lr)
    changed = with_other_rows(table, found.plan.test)
    if target == "town":  # the split is by class
        changed = replace(changed, y=table.y)
    other = fitted(changed, lr=lr)
    assert torch.equal(other.plan.test, found.plan.test)
    assert other.choice == found.choice
    assert other.scores != found.scores


@pytest.mark.parametrize("metric", ["mae", "r2", None])
def test_the_validation_rows_choose_by_the_metric(metric):
    found = fitted(table_of("price"), metric=metric, lr=0.02)
    plan, choice = found.plan, found.choice
    x, y = plan.table.select(plan.val).x, plan.table.y[plan.val]
    assert choice.metric == (metric or "rmse") and choice.rows == len(plan.val)
    for by in ("network", "linear", "mean"):
        answers = predict_rows(found.model, x, by=by)
        value = score("regression", answers, y)[choice.metric]
        assert value == pytest.approx(getattr(choice, by))


@pytest.mark.parametrize("target", ["price", "town"])
def test_each_fold_chooses_for_itself_and_all_of_them_for_the_last_model(target):
    table = table_of(target)
    found = fitted(table, folds=2, final=True)
    assert found.model is not found.plan.model
    assert found.choice.rows > len(found.plan.val)
    assert found.model.answered_by == found.choice.by == "linear"
    linear = found.baselines.answers(table.x)["linear"]
    torch.testing.assert_close(
        predict_rows(found.model, table.x).double(), linear, rtol=1e-6, atol=1e-6
    )
    for test in found.tests:
        assert set(test.scores) == {"baseline", "linear", "model", "network"}
    first = predict_rows(found.plan.model, table.select(found.plan.test).x)
    assert torch.equal(first, found.tests[0].answers)


def test_a_network_of_the_users_own_answers_in_any_case():
    found = fitted(table_of("price"), factory=lambda n, m: nn.Linear(n, m), epochs=1)
    assert found.choice is None and found.model.answered_by == "network"
    assert "network" not in found.scores


def test_a_network_that_is_better_answers_and_stands_alone():
    random = np.random.default_rng(0)
    x = random.uniform(-1, 1, 200)
    table = read_table({"x": x, "y": x**2}, target="y")  # no line tells it
    found = fitted(table, epochs=20, lr=0.01)
    assert found.choice.by == "network"
    assert set(found.scores) == {"baseline", "linear", "model"}
    assert "delivered" not in found.to_dict()
