"""Streams in workers: every row once, in the order of a single process."""

import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

import gradatim as gt
from gradatim.data import Batches
from gradatim.errors import ConfigError, GradatimWarning
from tests.bits import assert_same_bits

# There may be fewer processors than workers here, of which PyTorch warns.
pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")


class Stream(IterableDataset):
    def __iter__(self):
        return iter(range(25))


class Sharding(IterableDataset):
    """Gives the rows of its worker alone."""

    def __iter__(self):
        info = get_worker_info()
        first, step = (0, 1) if info is None else (info.id, info.num_workers)
        return iter(range(first, 25, step))


class Shuffling(IterableDataset):
    """Draws from every global generator, in whatever process reads it."""

    def __iter__(self):
        rows = torch.randperm(25).tolist()
        random.shuffle(rows)
        for row in rows:
            yield row, np.random.rand()


def rows_of(data, **options):
    batches = Batches(data, batch_size=4, **options)
    return [batch.tolist() for batch in batches.epoch(0)]


@pytest.mark.parametrize("num_workers", [1, 2, 3])
@pytest.mark.parametrize("kind", [Stream, Sharding])
@pytest.mark.parametrize("drop_last", [False, True])
def test_rows_come_once_and_in_order(kind, num_workers, drop_last):
    options = {"drop_last": drop_last}
    expected = rows_of(Stream(), **options)
    assert rows_of(kind(), num_workers=num_workers, **options) == expected
    assert sum(map(len, expected)) == (24 if drop_last else 25)


def test_more_workers_than_batches():
    assert rows_of(Stream(), num_workers=9) == rows_of(Stream())


def test_a_stream_that_shuffles_is_the_same_in_all_workers():
    def drawn(num_workers, epoch=0, start=0, seed=0):
        options = {"batch_size": 4, "num_workers": num_workers, "seed": seed}
        return list(Batches(Shuffling(), **options).epoch(epoch, start=start))

    whole = drawn(1)
    assert sorted(torch.cat([x for x, _ in whole]).tolist()) == list(range(25))
    for num_workers in (2, 3):
        assert_same_bits(drawn(num_workers), whole)
    assert_same_bits(drawn(2, start=3), whole[3:])
    assert not torch.equal(drawn(2, epoch=1)[0][0], whole[0][0])
    assert not torch.equal(drawn(2, seed=1)[0][0], whole[0][0])


def noisy(rows):
    return torch.tensor([row for row, _ in rows]), torch.rand(())


def test_what_collate_fn_draws_moves_no_stream():
    def drawn(num_workers, start=0):
        batches = Batches(
            Shuffling(), batch_size=4, num_workers=num_workers, collate_fn=noisy
        )
        return list(batches.epoch(0, start=start))

    whole = drawn(1)
    assert sorted(torch.cat([x for x, _ in whole]).tolist()) == list(range(25))
    assert len({float(noise) for _, noise in whole}) == len(whole)
    assert_same_bits(drawn(2), whole)
    assert_same_bits(drawn(3, start=2), whole[2:])


def test_collate_fn_of_a_stream_without_workers():
    batches = Batches(Stream(), batch_size=4, collate_fn=sum)
    assert next(batches.epoch(0, start=1)) == 4 + 5 + 6 + 7


def test_a_stream_has_an_order_of_its_own():
    for option in ({"sampler": [1]}, {"weights": [1.0]}):
        name = next(iter(option))
        with pytest.raises(ConfigError, match=f"{name} given, but a Stream"):
            Batches(Stream(), **option)


# --- Loaders of the user --------------------------------------------------------------


class ByHelper(IterableDataset):
    def __iter__(self):
        return of_this_worker(range(25))


def of_this_worker(rows):
    info = get_worker_info()
    return rows if info is None else rows[info.id :: info.num_workers]


class Around(IterableDataset):
    def __init__(self, inner):
        self.inner = inner

    def __iter__(self):
        return iter(self.inner)


CODE = """
class Rows(IterableDataset):
    def __iter__(self):
        return iter(range(9))
"""


def unaware():
    """A data set whose file asks for no worker, unlike this one."""
    namespace = {"IterableDataset": IterableDataset, "__name__": "a_file_of_its_own"}
    exec(CODE, namespace)
    return namespace["Rows"]()


def test_a_loader_whose_workers_repeat_the_rows_is_warned_of():
    message = r"Rows is read by 2 workers(.|\n)*each row 2 times(.|\n)*num_workers=2"
    with pytest.warns(GradatimWarning, match=message):
        Batches(DataLoader(unaware(), num_workers=2))


def test_loaders_that_may_share_rows_out_are_left_alone():
    for loader in (
        DataLoader(Sharding(), num_workers=2),
        DataLoader(ByHelper(), num_workers=2),
        DataLoader(Around(Sharding()), num_workers=2),
        DataLoader(unaware(), num_workers=2, worker_init_fn=lambda worker: None),
        DataLoader(unaware(), num_workers=1),
        DataLoader(unaware()),
        DataLoader(range(9), num_workers=2),
    ):
        Batches(loader)  # warnings are errors


def test_a_training_warns_before_it_begins():
    model = nn.Linear(1, 1)
    trainer = gt.Trainer(
        model, nn.MSELoss(), torch.optim.SGD(model.parameters(), lr=0.1)
    )
    loader = DataLoader(unaware(), num_workers=2)

    class Begun(gt.Callback):
        def on_fit_begin(self, trainer):
            raise KeyError("begun")

    with (
        pytest.warns(GradatimWarning, match="each row 2 times"),
        pytest.raises(KeyError, match="begun"),
    ):
        trainer.fit(loader, epochs=1, callbacks=[Begun()], progress=False)
