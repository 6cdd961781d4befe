"""Where the first NaN or infinity of a loss is said to come from."""

import math

import pytest
import torch
from torch import nn

from gradatim.watching.identities import identity_of
from gradatim.watching.non_finite_start import non_finite_start
from tests.watching.loops import train, watched


@pytest.mark.parametrize(
    ("loss_of", "where", "count"),
    [
        (
            lambda w: (w * torch.tensor([1.0, torch.nan])).log().sum(),
            "target",
            "1 of 2",
        ),
        (lambda w: torch.log(w - 2).sum(), "log", "2 of 2"),
        (lambda w: (1 / (w - 1)).sum(), "operation", "2 of 2"),
        (lambda w: (w / torch.zeros(2)).sum(), "div", "2 of 2"),
    ],
)
def test_where_a_loss_stopped_being_a_number(loss_of, where, count):
    start = non_finite_start(loss_of(torch.ones(2, requires_grad=True)).grad_fn, {})
    assert (start.where, start.count) == (where, count)


def test_bad_weights_are_named_with_what_has_an_infinite_slope():
    w = torch.tensor([1.0, torch.nan], requires_grad=True)
    start = non_finite_start(w.sqrt().sum().grad_fn, {identity_of(w): "layer.weight"})
    assert (start.where, start.name, start.count) == (
        "weights",
        "layer.weight",
        "1 of 2",
    )
    assert start.ops == ("Sqrt",)


def test_the_first_nan_is_kept_with_the_losses_before():
    model, x = nn.Linear(2, 1), torch.randn(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with watched() as watcher:
        train(model, x, torch.randn(4, 1), optimizer=optimizer)
        train(model, x, torch.full((4, 1), torch.nan), optimizer=optimizer)
    values = watcher.seen.loss_values
    losses = [value for _, value in values.series]
    assert [step for step, _ in values.series] == list(range(6))
    start = values.non_finite
    assert (start.where, start.step, len(start.before)) == ("target", 3, 3)
    assert start.before == tuple(losses[:3]) and math.isnan(start.value)
