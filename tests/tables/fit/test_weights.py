"""Weights of rows and of classes: in the loss, the linear models and the scores."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss
from torch import nn

from gradatim.errors import ConfigError, DataError
from gradatim.tables.fit.config import TabularConfig
from gradatim.tables.fit.fit import fit_table, predict_rows
from gradatim.tables.fit.plan import plan_table
from gradatim.tables.model.linear import (
    LOGISTIC_PENALTIES,
    RIDGE_PENALTIES,
    fit_logistic,
    fit_ridge,
)
from gradatim.tables.model.row_weights import WeightedRows, balanced, with_weights
from gradatim.tables.model.scores import constant_answers, score
from gradatim.tables.table import read_table

ROWS = 120
TRAIN, VAL = torch.arange(80), torch.arange(80, ROWS)


def frame(task="regression"):
    random = np.random.default_rng(0)
    x = random.normal(size=(ROWS, 3))
    y = x @ [1.0, -2.0, 0.5] + random.normal(size=ROWS)
    table = pd.DataFrame(x, columns=["a", "b", "c"])
    table["w"] = random.integers(0, 4, ROWS)
    table["y"] = y if task == "regression" else np.digitize(y, [-1, 2])
    if task == "binary":
        table["y"] = y > 1
    return table


def repeated(rows, weights):
    return rows.repeat_interleave(weights[rows].long())


@pytest.mark.parametrize("num_features", [3, 200])
def test_weighted_ridge_is_ridge_of_repeated_rows(num_features):
    random = np.random.default_rng(1)
    x = torch.from_numpy(random.normal(size=(ROWS, num_features)))
    y = x[:, 0] + torch.from_numpy(random.normal(size=ROWS))
    weights = torch.from_numpy(random.integers(0, 4, ROWS)).double()
    found = fit_ridge(lambda rows: x[rows], y, TRAIN, VAL, weights=weights)
    train = weights[TRAIN] / weights[TRAIN].mean()
    errors = {}
    for penalty in RIDGE_PENALTIES:
        ridge = Ridge(alpha=penalty).fit(x[TRAIN], y[TRAIN], sample_weight=train)
        wrong = ridge.predict(x[VAL].numpy()) - y[VAL].numpy()
        errors[penalty] = (np.average(wrong**2, weights=weights[VAL]), ridge)
    best = min(errors.values(), key=lambda each: each[0])[1]
    np.testing.assert_allclose(found.weight[0], best.coef_, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(found.bias[0], best.intercept_, rtol=1e-6, atol=1e-8)


def test_weighted_logistic_regression_is_that_of_scikit_learn():
    table = frame("classification")
    x = torch.tensor(table[["a", "b", "c"]].values, dtype=torch.float32)
    y, weights = torch.tensor(table["y"].values), torch.tensor(table["w"].values / 1)
    found = fit_logistic(
        lambda rows: x[rows], y, TRAIN, VAL, num_classes=3, weights=weights
    )
    of_train = weights[TRAIN] / weights[TRAIN].mean()
    errors = {}
    for penalty in LOGISTIC_PENALTIES:
        theirs = LogisticRegression(C=1 / penalty, tol=1e-8, max_iter=1_000)
        theirs.fit(x[TRAIN], y[TRAIN], sample_weight=of_train)
        answers = theirs.predict_proba(x[VAL])
        error = log_loss(y[VAL], answers, sample_weight=weights[VAL])
        errors[error] = answers
    ours = found.outputs(lambda rows: x[rows], VAL).softmax(1)
    np.testing.assert_allclose(ours, errors[min(errors)], atol=1e-3)


@pytest.mark.parametrize("task", ["regression", "binary", "classification"])
def test_the_loss_of_repeated_rows(task):
    torch.manual_seed(0)
    weights = torch.randint(0, 4, (ROWS,)).double()
    width = (ROWS, 3) if task == "classification" else (ROWS,)
    outputs = torch.randn(width)
    y = torch.randn(ROWS) if task == "regression" else torch.randint(0, 2, (ROWS,))
    pairs = with_weights(y, weights, TRAIN, VAL)
    plain = {
        "regression": nn.MSELoss(),
        "binary": nn.BCEWithLogitsLoss(),
        "classification": nn.CrossEntropyLoss(),
    }[task]
    targets = y.float() if task == "binary" else y
    for part in (TRAIN, VAL):
        again = repeated(part, weights)
        torch.testing.assert_close(
            WeightedRows(task)(outputs[part], pairs[part]),
            plain(outputs[again], targets[again]),
        )


def test_balanced_classes_have_equal_totals():
    y = torch.tensor([0] * 90 + [1] * 20 + [2] * 10)
    weights = torch.rand(ROWS).double() + 0.1
    for of_rows in (None, weights):
        found = balanced(y, of_rows, torch.arange(ROWS), 3)
        totals = torch.bincount(y, found)
        torch.testing.assert_close(totals, totals.mean().expand(3))


def test_constant_answers_of_repeated_rows():
    weights = torch.randint(0, 4, (ROWS,)).double()
    for task in ("regression", "classification"):
        y = torch.randn(ROWS) if task == "regression" else torch.randint(0, 3, (ROWS,))
        found = constant_answers(task, y, 2, 3, weights)
        again = y[repeated(torch.arange(ROWS), weights)]
        torch.testing.assert_close(found, constant_answers(task, again, 2, 3))


@pytest.mark.parametrize("task", ["regression", "binary", "classification"])
def test_a_weighted_table_is_trained_and_scored_by_its_weights(task):
    table = read_table(frame(task), target="y", weight="w")
    (column,) = [c for c in table.schema.columns if c.name == "w"]
    assert (column.used, column.reason) == (False, "it says what the rows count")
    plan = plan_table(table, TabularConfig(epochs=2, threads=1))
    assert plan.config.weight == "w"
    fitted = fit_table(plan, progress=False)
    of_test = table.weight.values[plan.test]
    x, y = table.select(plan.test).x, table.y[plan.test]
    for name, answers in fitted.baselines.answers(x).items():
        assert fitted.scores[name] == score(task, answers, y, of_test)
    assert fitted.scores["linear"] != score(task, answers, y)
    plain = read_table(frame(task), target="y", drop=["w"])
    assert plan_table(plain).row_weights is None


@pytest.mark.parametrize("task", ["regression", "binary"])
def test_a_metric_counts_rows_by_their_weight_alone(task):
    table = read_table(frame(task), target="y", weight="w")
    balance = None if task == "regression" else "balanced"
    metric = "mae" if task == "regression" else "log_loss"
    config = TabularConfig(epochs=2, metric=metric, class_weight=balance)
    fitted = fit_table(plan_table(table, config), progress=False)
    val = fitted.plan.val
    answers = predict_rows(fitted.model, table.select(val).x, by="network")
    found = score(task, answers, table.y[val], table.weight.values[val])[metric]
    assert min(fitted.history[f"val_{metric}"]) == pytest.approx(found, rel=1e-5)


def test_equal_weights_change_nothing_but_the_last_digits():
    rows = frame().assign(w=2.5)
    config = TabularConfig(epochs=3, threads=1)
    plans = [
        plan_table(read_table(rows, target="y", weight="w"), config),
        plan_table(read_table(rows, target="y", drop=["w"]), config),
    ]
    weighted, plain = (fit_table(plan, progress=False) for plan in plans)
    for name, values in plain.scores["model"].items():
        assert weighted.scores["model"][name] == pytest.approx(values, rel=1e-4)


def test_balanced_classes_are_found_more_often():
    random = np.random.default_rng(0)
    x = random.normal(size=400)
    y = random.random(400) < 1 / (1 + np.exp(3 - x))
    table = read_table(pd.DataFrame({"x": x, "y": y}), target="y")
    shares = {}
    for class_weight in (None, "balanced"):
        config = TabularConfig(epochs=3, threads=1, class_weight=class_weight)
        plan = plan_table(table, config)
        fitted = fit_table(plan, progress=False)
        rows = torch.tensor(fitted.confusion).double()
        shares[class_weight] = (rows[1, 1] / rows[1].sum()).item()
    assert shares["balanced"] > shares[None] + 0.2


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (
            [1.0, -1.0],
            r"'w' is missing, negative or infinite in 60 of 120 rows \(rows 2,",
        ),
        ([1.0, None], "is missing, negative or infinite in 60"),
        ([0.0], "is 0 in all 120 rows"),
        (["a", "b"], "no numbers"),
    ],
)
def test_weights_that_cannot_be_are_refused(weights, message):
    rows = frame().assign(w=[weights[row % len(weights)] for row in range(ROWS)])
    with pytest.raises(DataError, match=message):
        read_table(rows, target="y", weight="w")


def test_choices_that_do_not_fit_are_refused():
    table = read_table(frame(), target="y", weight="w")
    with pytest.raises(ConfigError, match=r"class_weight is 'balanced'.*a number"):
        plan_table(table, TabularConfig(class_weight="balanced"))
    with pytest.raises(ConfigError, match="class_weight is 'rare'"):
        TabularConfig(class_weight="rare")
    with pytest.raises(ConfigError, match="weight is 'a'"):
        plan_table(table, TabularConfig(weight="a"))
    with pytest.raises(ConfigError, match="weighed by 'y', which is the target"):
        read_table(frame(), target="y", weight="y")
    with pytest.raises(DataError, match="no column 'v'"):
        read_table(frame(), target="y", weight="v")


def test_folds_and_rows_of_their_own_are_weighed():
    table = read_table(frame(), target="y", weight="w")
    config = TabularConfig(epochs=1, folds=3, final=True)
    fitted = fit_table(plan_table(table, config), progress=False)
    for test in fitted.tests:
        of_rows = table.weight.values[test.rows]
        found = score("regression", test.answers, table.y[test.rows], of_rows)
        assert test.scores["model"] == found
    own = read_table(frame()[:30], schema=table.schema, weight="w")
    plan = plan_table(table, TabularConfig(epochs=1), test=own)
    fitted = fit_table(plan, progress=False)
    answers = fitted.tests[0].answers
    found = score("regression", answers, own.y, own.weight.values)
    assert fitted.scores["model"] == found
