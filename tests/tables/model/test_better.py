"""What is best on the validation rows, by the score that is named, is chosen."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gradatim.tables.model.better import choose
from gradatim.tables.model.network import mean_answers
from gradatim.tables.model.scores import HIGHER_IS_BETTER, SCORE_NAMES, score

METRICS = [(task, name) for task, names in SCORE_NAMES.items() for name in names]


def drawn(task, seed, rows=20):
    """Targets, and the answers of two models to them."""
    random = torch.Generator().manual_seed(seed)
    if task == "regression":
        targets = torch.randn(rows, generator=random)
        noise = torch.randn(2, rows, generator=random)
        return targets, *(targets + noise * torch.rand(2, 1, generator=random))
    classes = 2 if task == "binary" else 3
    targets = torch.arange(rows) % classes
    logits = torch.randn(2, rows, classes, generator=random)
    logits[..., 0] += (targets == 0).float()
    return targets, *logits.softmax(dim=2)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(METRICS), st.integers(0, 99), st.booleans())
def test_the_best_by_the_metric_is_chosen(task_and_metric, seed, weighed):
    task, metric = task_and_metric
    targets, network, linear = drawn(task, seed)
    weights = torch.arange(1.0, 21.0) if weighed else None
    found = choose(task, network, linear, targets, weights, metric=metric)
    answers = {
        "network": network,
        "linear": linear,
        "mean": mean_answers(network, linear),
    }
    values = {n: score(task, a, targets, weights)[metric] for n, a in answers.items()}
    assert values == {name: getattr(found, name) for name in answers}
    best = (max if metric in HIGHER_IS_BETTER else min)(values.values())
    assert values[found.by] == best
    assert found.by == "network" or values["network"] != best
    assert (found.line() == "") == (found.by == "network")


@pytest.mark.parametrize("task", SCORE_NAMES)
def test_equal_answers_leave_the_network(task):
    targets, network, _ = drawn(task, 0)
    assert choose(task, network, network.clone(), targets).by == "network"


def test_a_network_that_overflows_does_not_answer():
    targets, network, linear = drawn("regression", 0)
    network[3] = math.nan
    assert choose("regression", network, linear, targets).by == "linear"


def test_where_the_score_is_not_defined_the_network_answers():
    _, network, linear = drawn("binary", 0)
    one_class = torch.zeros(20, dtype=torch.int64)
    assert choose("binary", network, linear, one_class, metric="roc_auc").by == (
        "network"
    )


def test_the_line_has_both_scores():
    targets = torch.arange(4.0)
    found = choose("regression", targets + 2, targets - 1, targets)
    assert found.line() == (
        "this model is the mean of the network and the linear model: on the 4 "
        "validation rows its rmse is 0.5, the network's 2"
    )
