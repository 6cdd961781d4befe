"""Loaders of the user's own, gone on with in the middle of an epoch."""

import gc
import random
import weakref

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    DistributedSampler,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
)

import gradatim as gt
from gradatim.data import Batches
from gradatim.data.restart import own_generators
from gradatim.data.why_inexact import dataset_why_inexact, loader_why_inexact
from gradatim.rng import rng_state, set_rng_state
from gradatim.store.pack import pack, unpack
from tests.bits import assert_same_bits, random_state

pytestmark = pytest.mark.usefixtures("unchecked")


class Rows(Dataset):
    """Draws from every global generator, in the process that reads it."""

    def __len__(self):
        return 13

    def __getitem__(self, row):
        return row + torch.rand(()) + 0.1 * np.random.rand() + 0.01 * random.random()


def seeded():
    return torch.Generator().manual_seed(3)


def sampled(sampler, **options):
    return DataLoader(Rows(), batch_size=3, sampler=sampler, **options)


LOADERS = {
    "in order": lambda: DataLoader(Rows(), 3),
    "shuffled": lambda: DataLoader(Rows(), 3, shuffle=True),
    "dropping": lambda: DataLoader(Rows(), 3, shuffle=True, drop_last=True),
    "own generator": lambda: DataLoader(Rows(), 3, shuffle=True, generator=seeded()),
    "sampler's generator": lambda: sampled(RandomSampler(Rows(), generator=seeded())),
    "with replacement": lambda: sampled(
        RandomSampler(Rows(), replacement=True, num_samples=20, generator=seeded())
    ),
    "weighted": lambda: sampled(WeightedRandomSampler(torch.arange(13.0), 11)),
    "of a subset": lambda: sampled(SubsetRandomSampler(range(4, 13))),
    "batch sampler": lambda: DataLoader(
        Rows(), batch_sampler=BatchSampler(RandomSampler(Rows()), 3, False)
    ),
    "distributed": lambda: sampled(
        DistributedSampler(Rows(), num_replicas=2, rank=1, seed=5)
    ),
    "no batches": lambda: DataLoader(Rows(), batch_size=None, shuffle=True),
}
WITH_WORKERS = {
    "workers": lambda: DataLoader(Rows(), 3, shuffle=True, num_workers=2),
    "workers, own generator": lambda: DataLoader(
        Rows(), 3, shuffle=True, num_workers=2, generator=seeded()
    ),
    "one worker": lambda: sampled(
        WeightedRandomSampler(torch.arange(13.0), 11, generator=seeded()), num_workers=1
    ),
}


def restartable(make):
    batches = Batches(make())
    batches.restartable = True
    return batches


def drawn(batches, epoch, start=0):
    """Go through an epoch and draw after each batch, as a model does."""
    for batch in batches.epoch(epoch, start=start):
        for generator in [None, *own_generators(batches.loader)]:
            torch.rand(1, generator=generator)
        random.random()
        np.random.rand()
        yield batch


def gone_through(make):
    """Go through three epochs.

    Give the second's batches, the states before each and at its end, the third's
    batches, and the random state at the end.
    """
    torch.manual_seed(0)
    np.random.seed(0)
    random.seed(0)
    batches = restartable(make)
    list(drawn(batches, 0))
    states, found = [state_of(batches)], []
    for batch in drawn(batches, 1):
        found.append(batch)
        states.append(state_of(batches))
    return found, states, list(drawn(batches, 2)), random_state()


def state_of(batches):
    return unpack(*pack([batches.state_dict(), rng_state()]))


def check_goes_on(make, starts=None):
    found, states, later, random_end = gone_through(make)
    assert len(found) > 2
    for start in starts or range(len(states)):
        torch.manual_seed(99)
        batches = restartable(make)
        batches.load_state_dict(states[start][0])
        set_rng_state(states[start][1])
        assert_same_bits(list(drawn(batches, 1, start)), found[start:])
        assert_same_bits(list(drawn(batches, 2)), later)
        assert_same_bits(random_state(), random_end)


@pytest.mark.parametrize("name", LOADERS)
def test_the_rest_of_an_epoch_is_the_same_from_every_batch(name):
    check_goes_on(LOADERS[name])


@pytest.mark.parametrize("name", WITH_WORKERS)
def test_workers_go_on_too(name):
    check_goes_on(WITH_WORKERS[name], starts=[0, 1, 3])


@pytest.mark.parametrize("name", {**LOADERS, **WITH_WORKERS})
def test_loader_draws_as_in_a_loop_of_ones_own(name):
    make = {**LOADERS, **WITH_WORKERS}[name]
    ends = []
    for through in (restartable(make).epoch, lambda epoch: make()):
        torch.manual_seed(0)
        np.random.seed(0)
        random.seed(0)
        ends.append([list(through(0)), random_state()])
    assert_same_bits(*ends)


@pytest.mark.parametrize("name", {**LOADERS, **WITH_WORKERS})
def test_loaders_that_can_go_on_are_exact(name):
    assert Batches({**LOADERS, **WITH_WORKERS}[name]()).why_inexact() == []


def test_state_of_another_loader_is_left_alone():
    """Where its change was accepted."""
    state = restartable(LOADERS["own generator"]).state_dict()
    batches = restartable(LOADERS["shuffled"])
    batches.load_state_dict(state)
    assert len(list(batches.epoch(0, start=2))) == 3
    batches = restartable(LOADERS["own generator"])
    batches.load_state_dict({})
    assert len(list(batches.epoch(0, start=2))) == 3


def test_without_a_state_the_epoch_begins_anew():
    torch.manual_seed(0)
    whole = list(restartable(LOADERS["shuffled"]).epoch(0))
    torch.manual_seed(0)
    rest = list(restartable(LOADERS["shuffled"]).epoch(0, start=2))
    assert len(rest) == len(whole) - 2


# --- What cannot be gone on with ------------------------------------------------------


class Draws(Dataset):
    def __init__(self, **attributes):
        vars(self).update(attributes)

    def __len__(self):
        return 3

    def __getitem__(self, row):
        return row


class Transform:
    def __init__(self, *attributes, **named):
        self.parts = attributes
        vars(self).update(named)

    def __call__(self, rows):
        return rows


@pytest.mark.parametrize(
    "attributes, place",
    [
        ({"generator": torch.Generator()}, "generator"),
        ({"rng": np.random.default_rng()}, "rng"),
        ({"rng": np.random.RandomState(0)}, "rng"),
        ({"rng": random.Random(0)}, "rng"),
        ({"rngs": [random.Random(0)]}, "rngs.0"),
        ({"rngs": {"a": random.Random(0)}}, "rngs.a"),
        ({"transform": Transform(rng=random.Random(0))}, "transform.rng"),
        (
            {"transforms": [Transform(), Transform(Transform(rng=random.Random(0)))]},
            "transforms.1.parts.0.rng",
        ),
    ],
)
def test_a_generator_of_its_own_is_found(attributes, place):
    reason = f"Draws draws from a generator of its own ({place})"
    assert dataset_why_inexact(Draws(**attributes)) == [reason]
    assert Batches(Draws(**attributes)).why_inexact() == [reason]
    assert Batches(DataLoader(Draws(**attributes))).why_inexact() == [reason]
    inside = dataset_why_inexact(Subset(Draws(**attributes), [0]))
    assert inside == [f"Subset draws from a generator of its own (dataset.{place})"]


def test_what_refers_to_itself_ends():
    data = Draws(names={"a": 1}, rows=list(range(1000)), kind=Draws)
    data.itself = [data, {"again": data}]
    assert dataset_why_inexact(data) == []


class Stream(IterableDataset):
    def __iter__(self):
        return iter(range(9))


class Kept(Stream):
    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


def test_streams_need_a_state_in_this_process():
    no_state = "Stream has no state_dict() and load_state_dict()"
    in_workers = "Kept lives in workers, where its state cannot be reached"
    assert Batches(Stream()).why_inexact() == [no_state]
    assert Batches(Kept()).why_inexact() == []
    assert Batches(Kept(), num_workers=1).why_inexact() == [in_workers]
    for stream in (Stream(), Kept()):
        (reason,) = Batches(DataLoader(stream)).why_inexact()
        assert reason.endswith("an IterableDataset")


def test_loaders_say_what_they_have_that_cannot():
    class Mine(SequentialSampler):
        pass

    class MyBatches(BatchSampler):
        pass

    mine = MyBatches(SequentialSampler(Draws()), 2, False)
    for loader, reason in [
        (DataLoader(Draws(), sampler=Mine(Draws())), "Mine is a sampler of your own"),
        (
            DataLoader(Draws(), batch_sampler=mine),
            "MyBatches is a batch sampler of your",
        ),
        (
            DataLoader(Draws(), num_workers=1, persistent_workers=True),
            "the DataLoader has persistent_workers",
        ),
        (
            DataLoader(Draws(), num_workers=2, in_order=False),
            "the DataLoader has in_order=False",
        ),
        (
            DataLoader(Draws(), collate_fn=Transform(rng=random.Random(0))),
            "Transform draws from a generator of its own (rng)",
        ),
        (
            DataLoader(
                Draws(), num_workers=1, worker_init_fn=Transform(rng=random.Random(0))
            ),
            "Transform draws from a generator of its own (rng)",
        ),
    ]:
        (found,) = loader_why_inexact(loader)
        assert found.startswith(reason)
    everything = DataLoader(
        Draws(rng=random.Random(0)),
        sampler=Mine(Draws()),
        num_workers=1,
        persistent_workers=True,
    )
    assert len(loader_why_inexact(everything)) == 3
    assert loader_why_inexact(DataLoader(Draws(), num_workers=1, in_order=False)) == []


@pytest.mark.parametrize("form", ["batches", "trainer", "run"])
def test_a_loader_is_gone_when_nobody_has_it(form, tmp_path):
    """In a circle, its workers would end late, and PyTorch would wait for each."""

    def train():
        loader = DataLoader(TensorDataset(torch.zeros(4, 1), torch.zeros(4, 1)), 2)
        model = nn.Linear(1, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        step = gt.make_train_step(model, nn.MSELoss(), optimizer)
        if form == "batches":
            assert len(list(Batches(loader))) == 2
        elif form == "trainer":
            trainer = gt.Trainer(model, nn.MSELoss(), optimizer)
            trainer.fit(loader, loader, epochs=2, progress=False)
        else:
            run = gt.Run(tmp_path / str(len(alive)))
            run.track(step)
            for batch in run.batches(loader, epochs=2):
                step(*batch)
        alive.append(weakref.ref(loader))

    alive = []
    train()  # the first time, more is imported and kept
    gc.disable()
    try:
        train()
        assert alive[1]() is None
    finally:
        gc.enable()
