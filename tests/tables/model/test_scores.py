"""Scores against scikit-learn's, which are defined independently."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from gradatim.tables.model import scores
from gradatim.tables.model.scores import confusion_matrix, intervals, score

TOLERANCE = 1e-12  # both in double precision


def regression_by_scikit_learn(targets, predictions, weights):
    given = {"sample_weight": weights}
    return {
        "rmse": metrics.root_mean_squared_error(targets, predictions, **given),
        "mae": metrics.mean_absolute_error(targets, predictions, **given),
        "r2": metrics.r2_score(targets, predictions, **given),
    }


def classes_by_scikit_learn(targets, probabilities, weights):
    num_classes = probabilities.shape[1]
    classes, given = probabilities.argmax(axis=1), {"sample_weight": weights}
    average = "binary" if num_classes == 2 else "macro"
    found = {
        "accuracy": metrics.accuracy_score(targets, classes, **given),
        "balanced_accuracy": metrics.balanced_accuracy_score(targets, classes, **given),
        "f1": metrics.f1_score(targets, classes, average=average, **given),
        "log_loss": metrics.log_loss(
            targets, probabilities, labels=list(range(num_classes)), **given
        ),
        "calibration_error": calibration_by_hand(targets, probabilities, weights),
    }
    if num_classes == 2:
        second = probabilities[:, 1]
        found["roc_auc"] = metrics.roc_auc_score(targets, second, **given)
        precision = metrics.average_precision_score(targets, second, **given)
        found["average_precision"] = precision
    return found


def calibration_by_hand(targets, probabilities, weights):
    weights = np.ones(len(targets)) if weights is None else weights
    confidence = probabilities.max(axis=1)
    is_right = probabilities.argmax(axis=1) == targets
    total = 0.0
    for number in range(15):
        low, high = number / 15, (number + 1) / 15
        here = (confidence > low) & (confidence <= high)
        total += abs((weights * (confidence - is_right))[here].sum())
    return total / weights.sum()


def weights_of(random, rows, kind):
    """None, whole weights that repeat a row, or any."""
    whole = random.randint(1, 4, rows)
    return {"none": None, "whole": whole, "any": random.uniform(0.1, 3, rows)}[kind]


KINDS = st.sampled_from(["none", "whole", "any"])


def as_weights(weights):
    return None if weights is None else torch.tensor(weights).double()


@given(seed=st.integers(0, 10_000), rows=st.integers(2, 60), kind=KINDS)
def test_regression_scores_are_scikit_learns(seed, rows, kind):
    random = np.random.RandomState(seed)
    targets = random.normal(100, 5, rows).astype(np.float32)
    predictions = targets + random.normal(0, 3, rows)
    weights = weights_of(random, rows, kind)
    pair = torch.tensor(predictions), torch.tensor(targets)
    found = score("regression", *pair, as_weights(weights))
    median = found.pop("median_error")
    wanted = regression_by_scikit_learn(targets, predictions, weights)
    assert found == pytest.approx(wanted, rel=1e-9, abs=1e-9)
    if kind != "any":
        repeats = 1 if weights is None else weights
        sizes = np.repeat(np.abs(predictions - targets.astype(float)), repeats)
        assert median == pytest.approx(np.median(sizes))


@given(
    seed=st.integers(0, 10_000),
    rows=st.integers(4, 60),
    num_classes=st.integers(2, 4),
    levels=st.sampled_from([2, 3, 10, 1_000]),
    kind=KINDS,
)
def test_class_scores_are_scikit_learns(seed, rows, num_classes, levels, kind):
    """With few levels most probabilities are tied."""
    random = np.random.RandomState(seed)
    targets = random.permutation(np.arange(rows) % num_classes)
    raw = random.randint(1, levels + 1, (rows, num_classes)).astype(float)
    probabilities = raw / raw.sum(axis=1, keepdims=True)
    weights = weights_of(random, rows, kind)
    task = "binary" if num_classes == 2 else "classification"
    pair = torch.tensor(probabilities), torch.tensor(targets)
    found = score(task, *pair, as_weights(weights))
    wanted = classes_by_scikit_learn(targets, probabilities, weights)
    assert found == pytest.approx(wanted, rel=1e-9, abs=TOLERANCE)
    assert confusion_matrix(*pair) == (
        metrics.confusion_matrix(
            targets, probabilities.argmax(axis=1), labels=range(num_classes)
        ).tolist()
    )


@pytest.mark.parametrize("task", ["regression", "binary", "classification"])
def test_a_row_of_weight_two_is_two_rows(task):
    torch.manual_seed(1)
    targets = torch.randn(40) if task == "regression" else torch.arange(40) % 2
    answers = torch.randn(40) if task == "regression" else torch.rand(40, 2)
    rows = torch.arange(40).repeat_interleave(torch.arange(40) % 3)
    weighted = score(task, answers, targets, (torch.arange(40) % 3).float())
    assert weighted == pytest.approx(score(task, answers[rows], targets[rows]))


@pytest.mark.parametrize("task", ["regression", "binary", "classification"])
def test_intervals_are_those_of_rows_drawn_one_by_one(task, monkeypatch):
    """The draws are made again with the same generator, and scored as rows."""
    monkeypatch.setattr(scores, "NUM_RESAMPLES", 60)
    monkeypatch.setattr(scores, "CHUNK_VALUES", 7 * 50)  # seven at a time
    torch.manual_seed(0)
    classes = {"binary": 2, "classification": 3, "regression": 1}[task]
    answers = torch.rand(50, classes).softmax(1).double()
    targets = torch.arange(50) % classes
    if task == "regression":
        answers, targets = answers[:, 0], torch.randn(50)
    generator, drawn, left = torch.Generator().manual_seed(0), [], 60
    while left > 0:
        drawn += torch.randint(50, (min(7, left), 50), generator=generator).unbind(0)
        left -= 7
    found = [score(task, answers[rows], targets[rows]) for rows in drawn]
    for name, ends in intervals(task, answers, targets).items():
        by_hand = np.nanpercentile([row[name] for row in found], [2.5, 97.5])
        assert ends == pytest.approx(by_hand.tolist(), abs=1e-9), name


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    """Of 200 samples the mean of |N(0, 1)|, sqrt(2 / pi), is in 90 to 98 of 100."""
    torch.manual_seed(0)
    truth, inside = math.sqrt(2 / math.pi), 0
    for _ in range(200):
        errors = torch.randn(80)
        low, high = intervals("regression", errors, torch.zeros(80))["mae"]
        inside += low <= truth <= high
    assert 180 <= inside <= 196


def test_intervals_of_weighted_rows_draw_rows_and_keep_their_weights():
    answers, targets = torch.zeros(30), torch.cat([torch.zeros(15), torch.ones(15)])
    weights = torch.cat([torch.ones(15), torch.zeros(15)])
    assert intervals("regression", answers, targets, weights)["mae"] == (0, 0)


def test_a_score_that_no_draw_has_is_nan():
    probabilities = torch.tensor([[0.3, 0.7], [0.4, 0.6]])
    found = intervals("binary", probabilities, torch.tensor([1, 1]))
    assert all(map(math.isnan, found["roc_auc"]))
    assert found["accuracy"] == (1, 1)


def test_many_rows_are_drawn_less_often(monkeypatch):
    seen = sum(len(sample) for sample in scores._resamples(1_000))
    many = sum(len(sample) for sample in scores._resamples(scores.MANY_ROWS))
    assert (seen, many) == (1_000, 200)


def test_ties_count_half():
    probabilities = torch.tensor([[0.5, 0.5]] * 3 + [[0.2, 0.8]])
    scores = score("binary", probabilities, torch.tensor([0, 1, 0, 1]))
    assert scores["roc_auc"] == pytest.approx((0.5 + 0.5 + 1 + 1) / 4)


def test_a_sure_and_wrong_answer_costs_much_and_is_finite():
    probabilities = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    found = score("binary", probabilities, torch.tensor([1, 1]))["log_loss"]
    assert found == pytest.approx(-math.log(1e-15) / 2)


def test_what_is_not_defined_is_nan():
    same = torch.full((3,), 2.0)
    assert math.isnan(score("regression", torch.zeros(3), same)["r2"])
    one_class = score("binary", torch.tensor([[0.3, 0.7]]), torch.tensor([1]))
    assert math.isnan(one_class["roc_auc"])
    assert one_class["accuracy"] == 1


def test_balanced_accuracy_leaves_out_classes_without_rows():
    probabilities = torch.tensor([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1]])
    found = score("classification", probabilities, torch.tensor([0, 0]))
    assert found["balanced_accuracy"] == 0.5


def test_the_mean_scores_zero():
    targets = torch.tensor([1.0, 2.0, 6.0])
    assert score("regression", torch.full((3,), 3.0), targets)["r2"] == 0


def test_large_numbers_keep_their_differences():
    targets = torch.tensor([1e9, 1e9 + 100, 1e9 + 300], dtype=torch.float64)
    found = score("regression", targets + 10, targets)
    assert found["mae"] == pytest.approx(10)
    assert found["r2"] == pytest.approx(
        metrics.r2_score(targets.numpy(), targets.numpy() + 10)
    )
