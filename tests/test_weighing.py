"""How much the loss of a batch counts in a mean over many batches."""

import pytest
import torch
from torch import nn

from gradatim.errors import DataError
from gradatim.weighing import Weighing


@pytest.mark.parametrize(
    "loss_fn, y, expected",
    [
        (nn.MSELoss(), torch.zeros(5), 5),
        (nn.CrossEntropyLoss(), torch.tensor([0, 1, -100]), 2),
        (nn.CrossEntropyLoss(ignore_index=1), torch.tensor([0, 1, 1]), 1),
        (nn.NLLLoss(weight=torch.tensor([1.0, 3.0])), torch.tensor([1, 1, -100]), 6),
        (nn.CrossEntropyLoss(), torch.zeros(3, 2), 3),
        (nn.CrossEntropyLoss(), torch.zeros(3, 2, 5), 15),
        (nn.MultiMarginLoss(), torch.zeros(3, dtype=torch.int64), 3),
    ],
)
def test_a_batch_weighs_what_the_loss_divides_by(loss_fn, y, expected):
    assert float(Weighing(loss_fn).of_batch((torch.zeros(len(y), 2), y))) == expected


def test_loss_weight_decides_instead():
    batch = {"x": torch.zeros(3), "y": torch.zeros(3)}
    own = Weighing(nn.MSELoss(), loss_weight=lambda b: len(b) * 10, own_forward=True)
    assert own.of_batch((batch,)) == 20
    of_targets = Weighing(nn.MSELoss(), loss_weight=lambda y: y.sum())
    assert of_targets.of_batch((0, torch.ones(4))) == 4


@pytest.mark.parametrize(
    "loss_fn, sums",
    [(nn.MSELoss(), False), (nn.MSELoss(reduction="sum"), True), (max, False)],
)
def test_a_sum_is_told_from_a_mean(loss_fn, sums):
    assert Weighing(loss_fn).sums is sums


def test_targets_that_only_the_users_forward_knows_are_kept_for_weighing():
    weighing = Weighing(nn.CrossEntropyLoss(), own_forward=True)
    assert weighing.needs_targets
    weighing.keep_targets(torch.tensor([0, 1, -100]))
    assert weighing.of_batch(({"x": torch.zeros(3, 2)},)) == 2
    for loss_fn, options in (
        (nn.MSELoss(), {"own_forward": True}),
        (nn.CrossEntropyLoss(), {}),
        (nn.CrossEntropyLoss(), {"own_forward": True, "loss_weight": len}),
    ):
        assert not Weighing(loss_fn, **options).needs_targets


def test_samples_are_rows_or_else_what_the_batch_weighs():
    open_batch = ([torch.zeros(8), torch.zeros(8)],)
    assert Weighing(nn.MSELoss()).samples_of((torch.zeros(3), torch.zeros(3))) == 3
    with pytest.raises(DataError, match="2 or 8"):
        Weighing(nn.MSELoss()).samples_of(open_batch)
    for weighing in (
        Weighing(nn.CrossEntropyLoss()),
        Weighing(nn.MSELoss(), loss_weight=len),
    ):
        assert weighing.samples_of(open_batch) is None
        assert weighing.samples_of((torch.zeros(3), torch.zeros(3))) == 3
