"""Which rows an epoch has: drawn by weight, or chosen by a sampler."""

import numpy as np
import pytest
import torch
from torch.utils.data import (
    BatchSampler,
    Dataset,
    DistributedSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
)

from gradatim.data import Batches
from gradatim.data.batches import as_batches
from gradatim.data.order import weighted_order
from gradatim.errors import ConfigError, DataError
from gradatim.rng import rng_state, set_rng_state
from gradatim.run.choices import describe_batches
from tests.bits import assert_same_bits, random_state

pytestmark = pytest.mark.usefixtures("unchecked")  # checks draw random numbers

ROWS = torch.arange(20)


class Rows(Dataset):
    def __len__(self):
        return 20

    def __getitem__(self, row):
        return row


def order_of(batches, epoch=0, start=0):
    found = batches.epoch(epoch, start=start)
    rows = [batch if isinstance(batch, torch.Tensor) else batch[0] for batch in found]
    return torch.cat(rows).tolist() if rows else []


KINDS = {
    "tensors": lambda: ROWS,
    "rows": Rows,
    "subset": lambda: Subset(TensorDataset(ROWS), list(range(20))),
}
WORKERS = {"rows": 0, "workers": 2}


# --- Weights --------------------------------------------------------------------------


def test_the_order_by_weights_is_golden():
    # These numbers may never change: a resumed run goes on in this order.
    weights = torch.tensor([0.0, 1.0, 2.0, 5.0, 0.0]).double()
    assert weighted_order(weights, seed=0, epoch=0).tolist() == GOLDEN[0]
    assert weighted_order(weights, seed=0, epoch=1).tolist() == GOLDEN[1]


GOLDEN = [[1, 2, 1, 3, 3], [2, 1, 2, 1, 2]]


def test_rows_come_in_proportion_to_their_weights():
    weights = torch.tensor([0.0, 1.0, 3.0, 0.0]).repeat(5000)
    counts = torch.bincount(weighted_order(weights.double(), seed=1, epoch=0) % 4)
    assert counts[0] == counts[3:].sum() == 0
    # 20,000 draws of which a quarter is expected: 4.5 standard deviations either way.
    assert abs(int(counts[1]) - 5000) < 275


@pytest.mark.parametrize("kind", KINDS)
def test_an_epoch_by_weights_depends_on_seed_and_epoch_alone(kind):
    weights = [0.0] * 10 + [1.0] * 5 + [2.0] * 5
    before = random_state()
    orders = {}
    for seed in (0, 1):
        for epoch in (0, 1):
            options = {"weights": weights, "seed": seed, "batch_size": 3}
            batches = Batches(KINDS[kind](), **options)
            orders[seed, epoch] = order_of(batches, epoch)
            expected = weighted_order(
                torch.tensor(weights).double(), seed=seed, epoch=epoch
            )
            assert orders[seed, epoch] == expected.tolist()
            assert order_of(batches, epoch, start=2) == orders[seed, epoch][6:]
    assert len({tuple(order) for order in orders.values()}) == 4
    assert all(min(order) >= 10 and len(order) == 20 for order in orders.values())
    assert_same_bits(before, random_state())
    assert len(batches) == 7 and batches.why_inexact() == []


def test_weights_reach_the_workers():
    weights = np.arange(20)
    options = {"weights": weights, "batch_size": 3, "seed": 4}
    orders = [
        order_of(Batches(Rows(), num_workers=workers, **options)) for workers in (0, 2)
    ]
    assert orders[0] == orders[1] and 0 not in orders[0]


@pytest.mark.parametrize(
    "options, message",
    [
        ({"weights": [1.0] * 19}, "there are 19 weights, but 20 rows"),
        ({"weights": [[1.0]] * 20}, r"weights have shape \(20, 1\)"),
        ({"weights": [1.0] * 19 + [-1.0]}, r"weights\[19\] is -1\.\n"),
        ({"weights": [1.0] * 19 + [float("nan")]}, r"weights\[19\] is nan"),
        ({"weights": [0.0] * 20}, r"weights\[0\] is 0, as all others are"),
        ({"weights": [1.0] * 20, "shuffle": False}, "weights= and shuffle=False"),
        ({"weights": [1.0] * 20, "sampler": [1]}, "weights= and sampler= are both"),
        ({"sampler": [1], "shuffle": True}, "sampler= and shuffle=True are both"),
    ],
)
def test_what_contradicts_itself_is_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        Batches(ROWS, **options)


def test_batches_made_with_weights_keep_them():
    weights = torch.ones(20)
    batches = Batches(ROWS, weights=weights, batch_size=5)
    assert as_batches(batches, batch_size=5) is batches
    with pytest.raises(ConfigError, match="these Batches were made with weights="):
        as_batches(batches, weights=[1.0] * 20)


def test_a_run_knows_the_weights():
    def about(**options):
        return describe_batches(Batches(ROWS, **options))

    plain = about()
    assert "weights" not in plain and "sampler" not in plain  # as in older runs
    one, other = about(weights=[1.0] * 20), about(weights=[2.0] * 20)
    assert one["weights"] != other["weights"]
    assert about(weights=np.ones(20)) == one
    assert about(sampler=RandomSampler(ROWS))["sampler"] == "RandomSampler"
    assert about(sampler=[1, 2]) != about(sampler=[2, 1])


# --- Samplers -------------------------------------------------------------------------


def seeded():
    return torch.Generator().manual_seed(3)


class EveryOther(Sampler):
    """Draws nothing, and does not say how many rows it gives."""

    def __iter__(self):
        return iter(range(0, 20, 2))


SAMPLERS = {
    "list": lambda: [3, 1, 2, 19, 0],
    "array": lambda: np.array([3, 1, 2, 19, 0]),
    "in order": lambda: SequentialSampler(ROWS),
    "random": lambda: RandomSampler(ROWS),
    "own generator": lambda: RandomSampler(ROWS, generator=seeded()),
    "with replacement": lambda: RandomSampler(
        ROWS, replacement=True, num_samples=33, generator=seeded()
    ),
    "weighted": lambda: WeightedRandomSampler(torch.arange(20.0), 11),
    "of a subset": lambda: SubsetRandomSampler(range(4, 13), generator=seeded()),
    "distributed": lambda: DistributedSampler(ROWS, num_replicas=2, rank=1, seed=5),
    "own": EveryOther,
}


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_sampler_draws_as_in_a_loop_of_ones_own(name, kind):
    ours, theirs = SAMPLERS[name](), SAMPLERS[name]()
    torch.manual_seed(0)
    expected = []
    for epoch in range(2):
        if name == "distributed":
            theirs.set_epoch(epoch)
        expected.append([int(row) for row in theirs])
    end = random_state()
    torch.manual_seed(0)
    batches = Batches(KINDS[kind](), sampler=ours, batch_size=3)
    assert [order_of(batches, epoch) for epoch in range(2)] == expected
    assert_same_bits(random_state(), end)
    sized = None if name == "own" else -(-len(expected[0]) // 3)
    assert batches.num_batches == sized


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("workers", [0, 2])
def test_a_sampled_epoch_goes_on_in_another_process(name, workers):
    def made():
        batches = Batches(
            Rows(), sampler=SAMPLERS[name](), batch_size=3, num_workers=workers
        )
        batches.restartable = True
        return batches

    torch.manual_seed(0)
    first, found, states = made(), [], []
    order_of(first)
    for batch in first.epoch(1):
        torch.rand(1)  # as a model draws
        found.append(batch)
        states.append([first.state_dict(), rng_state()])
    later = order_of(first, 2)
    for start, (state, rng) in enumerate(states[:3], 1):
        torch.manual_seed(99)
        other = made()
        other.load_state_dict(state)
        set_rng_state(rng)
        rest = []
        for batch in other.epoch(1, start=start):
            torch.rand(1)
            rest.append(batch)
        assert_same_bits(rest, found[start:])
        assert order_of(other, 2) == later


def test_only_samplers_of_ones_own_are_reasons():
    for name, make in SAMPLERS.items():
        reasons = Batches(ROWS, sampler=make()).why_inexact()
        own = ["EveryOther is a sampler of your own"]
        assert reasons == (own if name == "own" else [])


def test_drop_last_counts_what_the_sampler_gives():
    for sampler in (list(range(7)), iter_of(7)):
        batches = Batches(ROWS, sampler=sampler, batch_size=3, drop_last=True)
        assert order_of(batches) == list(range(6))
    assert len(Batches(ROWS, sampler=[0] * 7, batch_size=3, drop_last=True)) == 2


class iter_of(Sampler):
    def __init__(self, rows):
        self.rows = rows

    def __iter__(self):
        return iter(range(self.rows))


class Forever(Sampler):
    def __iter__(self):
        while True:
            yield from range(20)


@pytest.mark.parametrize("kind", ["tensors", "rows"])
def test_a_sampler_without_an_end_is_read_as_it_goes(kind):
    batches = Batches(KINDS[kind](), sampler=Forever(), batch_size=8).epoch(0)
    found = [next(batches).reshape(-1).tolist() for _ in range(4)]
    assert found[2] == [16, 17, 18, 19, 0, 1, 2, 3]


def test_what_a_sampler_must_not_give():
    too_far = Batches(ROWS, sampler=[0, 20])
    with pytest.raises(DataError, match=r"list gives row 20; .* 0 to 19"):
        order_of(too_far)
    of_batches = Batches(ROWS, sampler=BatchSampler(range(20), 4, False))
    with pytest.raises(DataError, match=r"gives a list(.|\n)*batch_sampler"):
        order_of(of_batches)
