"""How far a training is: shares of a fit, means of an epoch, and their states."""

import math

import pytest
import torch
from torch.utils.data import IterableDataset

from gradatim.data import Batches
from gradatim.epoch import EpochSoFar, MeanLoss, Plan, no_batch_message

DATA = torch.zeros(10, 1), torch.zeros(10, 1)


def test_mean_loss_sees_the_difference_between_rows_and_batches():
    mean = MeanLoss()
    for loss, rows in ((1.0, 9), (11.0, 1)):
        mean.add(torch.tensor(loss), rows)
    assert mean.value() == mean.so_far() == 2.0  # not 6.0
    assert math.isnan(MeanLoss().value())


def test_a_mean_of_sums_divides_by_the_weights():
    mean = MeanLoss(sums=True)
    for loss, weight in ((6.0, 3), (2.0, 1)):
        mean.add_numbers(loss, weight)
    assert (mean.total, mean.weight, mean.value()) == (8.0, 4.0, 2.0)


def test_a_batch_without_weight_is_left_out_though_its_loss_is_nan():
    mean = MeanLoss()
    mean.add(torch.tensor(math.nan), torch.tensor(0))
    mean.add(torch.tensor(3.0), 2)
    assert mean.value() == 3.0


@pytest.mark.parametrize(
    "epoch, num_batches, share",
    [
        (2, 0, 0.0),
        (2, 2, 0.125),
        (3, 0, 0.25),
        (5, 3, 0.9375),
        (6, 0, 1.0),
        (9, 0, 1.0),
    ],
)
def test_a_plan_tells_the_share_of_its_batches(epoch, num_batches, share):
    plan = Plan(2, 4, Batches(DATA, batch_size=3), None, [])
    assert plan.batches_per_epoch == 4 and plan.last_epoch == 6
    assert plan.share_done(epoch, num_batches, 0) == share


def test_a_plan_over_a_stream_counts_whole_epochs():
    class Stream(IterableDataset):
        def __iter__(self):
            yield from zip(*DATA, strict=True)

    plan = Plan(0, 2, Batches(Stream()), None, [])
    assert plan.batches_per_epoch is None
    assert plan.share_done(1, 7, 0) == 0.5


def test_an_epoch_goes_on_from_its_state():
    so_far = EpochSoFar(MeanLoss())
    assert so_far.samples_per_s() is None
    so_far.mean.add(torch.tensor(2.0), 4)
    so_far.end_update(4)
    state = so_far.state_dict()
    other = EpochSoFar(MeanLoss())
    other.load_state_dict(state)
    assert (other.num_batches, other.num_rows, other.mean.value()) == (1, 4, 2.0)
    assert 0 <= other.seconds == state["seconds"] and other.samples_per_s() > 0


def test_what_had_no_batch_is_named():
    assert no_batch_message("epoch 3").startswith("epoch 3 had no batch.")
