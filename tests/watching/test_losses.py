"""What observers of losses and their graphs note."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gradatim.watching.identities import identity_of
from gradatim.watching.loss_graph import (
    count_nodes_and_broadcasts,
    leaves_of,
    operations_before,
)
from gradatim.watching.loss_numbers import leaking_column, loss_facts
from tests.watching.loops import line_with, watched


def test_a_loss_is_noted_with_its_line_and_its_arguments():
    x = torch.randn(4, 3)
    with watched() as watcher:
        F.cross_entropy(x.softmax(dim=1), torch.tensor([0, 1, 2, 0]))  # loss
        with torch.no_grad():
            F.mse_loss(x, x, reduction="sum")
    first, second = watcher.seen.losses
    assert (first.name, first.reduction, first.grad) == ("cross_entropy", "mean", True)
    assert first.input.shape == (4, 3) and first.target.dtype == "int64"
    assert first.line.number == line_with("loss", __file__)
    assert first.before == () and not second.grad  # x asks for no gradient
    assert (second.name, second.reduction) == ("mse_loss", "sum")


def test_numbers_of_a_regression():
    facts = loss_facts(torch.tensor([1.0, 3.0]), torch.tensor([2.0, 7.0]))
    assert facts["input_min"] == 1.0 and facts["input_mean"] == 2.0
    assert facts["target_max"] == 7.0 and facts["target_std"] == 2.5
    assert facts["target_whole"] == 1.0 and facts["input_bad"] == 0.0
    assert facts["squared_error"] == (1 + 16) / 2


def test_numbers_of_a_classification():
    chances = torch.tensor([[0.2, 0.8], [0.5, 0.5], [0.9, 0.1]])
    facts = loss_facts(chances, torch.tensor([1, 1, 0]))
    assert facts["input_row_sum_error"] == pytest.approx(0, abs=1e-6)
    assert loss_facts(chances.log(), torch.tensor([1, 1, 0]))[
        "input_log_sum_error"
    ] == pytest.approx(0, abs=1e-6)
    assert facts["target_classes"] == 2 and facts["target_common"] == 1
    assert facts["target_largest_share"] == pytest.approx(2 / 3)
    assert facts["predicted_classes"] == 2


def test_a_column_that_is_the_target_leaks():
    x, y = torch.randn(20, 3), torch.arange(20.0)
    assert leaking_column(x, y) is None
    x[:, 2] = y
    assert leaking_column(x, y) == (2, True)
    x[:, 2] = 5 - 2 * y
    assert leaking_column(x, y.unsqueeze(1)) == (2, False)
    assert leaking_column(x[:10], y[:10]) is None  # too few rows to tell


def test_the_leak_is_in_the_call():
    model, y = nn.Linear(2, 1), torch.arange(20.0)
    x = torch.stack([torch.randn(20), y], dim=1)
    with watched() as watcher:
        F.mse_loss(model(x).squeeze(1), y)
    (call,) = watcher.seen.losses
    assert (call.facts["leak_column"], call.facts["leak_equal"]) == (1.0, 1.0)


def test_a_backward_is_noted_with_its_value_and_graph():
    model, x, y = nn.Linear(2, 1), torch.randn(4, 2), torch.randn(4)
    with watched() as watcher:
        loss = ((model(x) - y) ** 2).mean()
        loss.backward(retain_graph=True)
        torch.autograd.backward([loss])
    first, second = watcher.seen.backwards
    assert first.value == float(loss.detach()) and first.shape == ()
    assert first.retain_graph and not second.retain_graph
    assert (first.operation, first.made_by[0]) == ("Mean", "Mean")
    assert first.broadcasts == (("Sub", (4, 4), ((4, 1),)),)
    assert first.num_nodes == 7
    assert set(first.leaves) == {identity_of(p) for p in model.parameters()}


def test_nodes_and_broadcasts_of_a_graph():
    a = torch.randn(4, 1, requires_grad=True)
    even = (a - torch.randn(4, 1)).sum().grad_fn
    assert count_nodes_and_broadcasts(even) == (3, ())
    odd = (a - torch.randn(4)).exp().sum()
    assert count_nodes_and_broadcasts(odd.grad_fn)[1] == (("Sub", (4, 4), ((4, 1),)),)
    assert operations_before(odd) == ("Sum", "Exp", "Sub")


def test_leaves_are_parameters_and_tensors_with_their_numbers():
    weight = nn.Parameter(torch.tensor([[3.0, 4.0]]))
    free = torch.tensor([1.0, 1.0], requires_grad=True)
    weight.grad = torch.tensor([[0.0, 2.0]])
    loss = ((free * 2) @ weight.t()).sum()
    leaves = leaves_of(loss.grad_fn, 1, {identity_of(weight)})
    own, other = leaves[identity_of(weight)], leaves[identity_of(free)]
    assert own.is_parameter and not other.is_parameter
    assert (own.total, own.size, own.old_grad) == (7.0, 5.0, 2.0)
    assert other.feeds and not own.feeds
    assert not own.stale and not other.stale
    again = leaves_of(loss.grad_fn, 2, set())  # the same graph, an update later
    assert again[identity_of(weight)].stale


def test_the_series_is_thinned_and_keeps_its_start(unchecked):
    model, x, y = nn.Linear(1, 1), torch.ones(1, 1), torch.ones(1, 1)
    with watched() as watcher:
        for _ in range(2500):
            F.mse_loss(model(x), y).backward()
    series = watcher.seen.loss_values.series
    assert 1200 < len(series) < 1600 and series[0][0] == 0


def test_parameters_of_no_model_are_loose():
    w = nn.Parameter(torch.ones(2))
    with watched() as watcher:
        (w**2).sum().backward()
    (backward,) = watcher.seen.backwards
    assert backward.loose == {identity_of(w): "w"}
