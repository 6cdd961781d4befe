"""Scores against scikit-learn's, which are defined independently."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from gradatim.tables.model.scores import class_scores, regression_scores, score

TOLERANCE = 1e-12  # both in double precision


@given(seed=st.integers(0, 10_000), rows=st.integers(2, 60))
def test_regression_scores_are_scikit_learns(seed, rows):
    random = np.random.RandomState(seed)
    targets = random.normal(100, 5, rows).astype(np.float32)
    predictions = targets + random.normal(0, 3, rows)
    found = regression_scores(torch.tensor(predictions), torch.tensor(targets))
    assert found == pytest.approx(
        {
            "rmse": metrics.root_mean_squared_error(targets, predictions),
            "mae": metrics.mean_absolute_error(targets, predictions),
            "r2": metrics.r2_score(targets, predictions),
        },
        rel=1e-9,
        abs=1e-9,
    )


@given(
    seed=st.integers(0, 10_000),
    rows=st.integers(4, 60),
    num_classes=st.integers(2, 4),
    levels=st.sampled_from([2, 3, 10, 1_000]),
)
def test_class_scores_are_scikit_learns(seed, rows, num_classes, levels):
    """With few levels most probabilities are tied."""
    random = np.random.RandomState(seed)
    targets = random.permutation(np.arange(rows) % num_classes)
    raw = random.randint(1, levels + 1, (rows, num_classes)).astype(float)
    probabilities = raw / raw.sum(axis=1, keepdims=True)
    found = class_scores(torch.tensor(probabilities), torch.tensor(targets))
    classes = probabilities.argmax(axis=1)
    wanted = {
        "accuracy": metrics.accuracy_score(targets, classes),
        "balanced_accuracy": metrics.balanced_accuracy_score(targets, classes),
        "log_loss": metrics.log_loss(
            targets, probabilities, labels=list(range(num_classes))
        ),
    }
    if num_classes == 2:
        wanted["roc_auc"] = metrics.roc_auc_score(targets, probabilities[:, 1])
    assert found == pytest.approx(wanted, rel=TOLERANCE, abs=TOLERANCE)


def test_ties_count_half():
    probabilities = torch.tensor([[0.5, 0.5]] * 3 + [[0.2, 0.8]])
    scores = class_scores(probabilities, torch.tensor([0, 1, 0, 1]))
    assert scores["roc_auc"] == pytest.approx((0.5 + 0.5 + 1 + 1) / 4)


def test_a_sure_and_wrong_answer_costs_much_and_is_finite():
    probabilities = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    found = class_scores(probabilities, torch.tensor([1, 1]))["log_loss"]
    assert found == pytest.approx(-math.log(1e-15) / 2)


def test_what_is_not_defined_is_nan():
    same = torch.full((3,), 2.0)
    assert math.isnan(regression_scores(torch.zeros(3), same)["r2"])
    one_class = class_scores(torch.tensor([[0.3, 0.7]]), torch.tensor([1]))
    assert math.isnan(one_class["roc_auc"])
    assert one_class["accuracy"] == 1


def test_balanced_accuracy_leaves_out_classes_without_rows():
    probabilities = torch.tensor([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1]])
    found = class_scores(probabilities, torch.tensor([0, 0]))
    assert found["balanced_accuracy"] == 0.5


def test_the_mean_scores_zero():
    targets = torch.tensor([1.0, 2.0, 6.0])
    assert regression_scores(torch.full((3,), 3.0), targets)["r2"] == 0


def test_large_numbers_keep_their_differences():
    targets = torch.tensor([1e9, 1e9 + 100, 1e9 + 300], dtype=torch.float64)
    found = regression_scores(targets + 10, targets)
    assert found["mae"] == pytest.approx(10)
    assert found["r2"] == pytest.approx(
        metrics.r2_score(targets.numpy(), targets.numpy() + 10)
    )


def test_score_goes_by_the_task():
    assert set(score("regression", torch.zeros(2), torch.ones(2))) == {
        "rmse",
        "mae",
        "r2",
    }
    probabilities, targets = torch.tensor([[0.9, 0.1]]), torch.tensor([0])
    assert "accuracy" in score("binary", probabilities, targets)
