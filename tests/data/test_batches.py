import random
from collections import namedtuple

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    Subset,
    TensorDataset,
    random_split,
)

import gradatim as gt
from gradatim.data import Batches
from gradatim.data.batches import as_batches, epoch_order
from gradatim.data.sources.tensors import CHUNK_BYTES
from gradatim.errors import ConfigError, DataError
from gradatim.rows import num_rows
from tests.bits import assert_same_bits, random_state

X = torch.arange(50.0).view(25, 2)
Y = torch.arange(25)


def rows_of(batches, epoch=0):
    """Give the numbers of the rows, as the batches bring them."""
    found = []
    for batch in batches.epoch(epoch):
        found.append(batch["y"] if isinstance(batch, dict) else batch[-1])
    return torch.cat(found).tolist()


class Rows(Dataset):
    def __len__(self):
        return 25

    def __getitem__(self, row):
        return X[row], Y[row]


class AtOnce(Rows):
    asked = ()

    def __getitems__(self, rows):
        self.asked = (*self.asked, len(rows))
        return [(X[row], Y[row]) for row in rows]


class Augmented(Rows):
    """Draws from every global generator, in the process that reads it."""

    def __getitem__(self, row):
        noise = torch.rand(()), np.random.rand(), random.random()
        return torch.tensor([float(n) for n in noise]), Y[row]


class Stream(IterableDataset):
    epoch = None

    def set_epoch(self, epoch):
        self.epoch = epoch

    def __iter__(self):
        return iter(zip(X, Y, strict=True))


# --- Order ----------------------------------------------------------------------------


def test_the_order_is_golden():
    # These numbers may never change: a resumed run goes on in this order.
    assert epoch_order(8, seed=0, epoch=0).tolist() == [0, 3, 5, 1, 7, 6, 2, 4]
    assert epoch_order(8, seed=0, epoch=1).tolist() == [0, 6, 5, 1, 3, 7, 2, 4]
    assert epoch_order(8, seed=2**70, epoch=10**6).tolist() == [2, 1, 7, 3, 4, 5, 0, 6]


@given(
    rows=st.integers(1, 60),
    size=st.integers(1, 70),
    seed=st.integers(0, 2**64),
    epoch=st.integers(0, 2**32),
    drop_last=st.booleans(),
)
def test_every_epoch_has_every_row_once(rows, size, seed, epoch, drop_last):
    data = (torch.zeros(rows), torch.arange(rows))
    drop_last = drop_last and rows >= size
    batches = Batches(data, batch_size=size, seed=seed, drop_last=drop_last)
    sizes = [len(y) for _, y in batches.epoch(epoch)]
    assert len(sizes) == len(batches)
    kept = rows - rows % size if drop_last else rows
    order = rows_of(batches, epoch)
    assert len(order) == len(set(order)) == sum(sizes) == kept
    assert all(s == size for s in sizes[:-1]) and 0 < sizes[-1] <= size
    assert order == epoch_order(rows, seed=seed, epoch=epoch)[:kept].tolist()


def test_epochs_and_seeds_differ_and_come_again():
    orders = {
        (seed, epoch): tuple(rows_of(Batches((X, Y), seed=seed), epoch))
        for seed in range(3)
        for epoch in range(3)
    }
    assert len(set(orders.values())) == 9
    batches = Batches((X, Y), seed=1)
    assert tuple(rows_of(batches, 2)) == orders[1, 2]
    plain = [torch.cat([y for _, y in batches]).tolist() for _ in range(3)]
    assert [tuple(p) for p in plain] == [orders[1, epoch] for epoch in range(3)]


def test_without_shuffle_rows_come_in_order():
    assert rows_of(Batches((X, Y), shuffle=False, batch_size=4), 3) == list(range(25))


def test_large_rows_are_gathered_in_chunks_of_the_same_order():
    wide = torch.arange(40.0).view(40, 1).expand(40, CHUNK_BYTES // 16)
    batches = Batches((wide, torch.arange(40)), batch_size=3, seed=5)
    sizes = [len(y) for _, y in batches.epoch(1)]
    assert sizes == [3] * 13 + [1]
    order = epoch_order(40, seed=5, epoch=1)
    assert rows_of(batches, 1) == order.tolist()
    first = torch.cat([x[:, 0] for x, _ in batches.epoch(1)])
    assert torch.equal(first.long(), order)


SOURCES = [
    ((X, Y), {}),
    ({"x": X, "y": Y}, {}),
    (TensorDataset(X, Y), {}),
    (Rows(), {}),
    (Rows(), {"num_workers": 2}),
    (AtOnce(), {}),
    (Subset(Rows(), range(25)), {}),
    (Subset(TensorDataset(X, Y), range(25)), {}),
    (Stream(), {"shuffle": False}),
]
IDS = ["pair", "dict", "tensors", "rows", "workers", "at_once", "subset",
       "tensor_subset", "stream"]  # fmt: skip


@pytest.mark.parametrize("data, options", SOURCES, ids=IDS)
def test_no_source_reads_or_moves_the_global_generators(unchecked, data, options):
    before = random_state()
    orders = [rows_of(Batches(data, batch_size=4, **options), 1)]
    assert_same_bits(before, random_state())
    torch.manual_seed(1)
    orders.append(rows_of(Batches(data, batch_size=4, **options), 1))
    assert orders[0] == orders[1]
    if options.get("shuffle", True):
        assert orders[0] == epoch_order(25, seed=0, epoch=1).tolist()


def test_workers_own_draws_depend_on_seed_and_epoch():
    def draws(seed, epoch):
        batches = Batches(Augmented(), batch_size=5, seed=seed, num_workers=2)
        return torch.cat([x for x, _ in batches.epoch(epoch)])

    first = draws(1, 0)
    torch.manual_seed(99)
    assert torch.equal(first, draws(1, 0))
    assert not torch.equal(first, draws(1, 1))


# --- From the middle of an epoch ------------------------------------------------------


class Told(Rows):
    """Rows that depend on the epoch that was told."""

    def set_epoch(self, epoch):
        self.shift = 100 * epoch

    def __getitem__(self, row):
        return X[row] + self.shift, Y[row]


class Kept(IterableDataset):
    """Has a state, which goes on from one epoch to the next."""

    next_row = num_passes = 0

    def __iter__(self):
        while self.next_row < 25:
            row, self.next_row = self.next_row, self.next_row + 1
            yield X[row] + self.num_passes, Y[row]
        self.next_row, self.num_passes = 0, self.num_passes + 1

    def state_dict(self):
        return {"next_row": self.next_row, "num_passes": self.num_passes}

    def load_state_dict(self, state):
        vars(self).update(state)


class KeptAndTold(Kept):
    """Begins anew when it is told the epoch."""

    def set_epoch(self, epoch):
        self.next_row, self.num_passes = 0, epoch


NESTED = {"a": {"b": X}, "c": [Y]}
RESTARTED = [
    ((X, Y), {}),
    (X, {}),
    (NESTED, {}),
    (TensorDataset(X, Y), {}),
    (Subset(TensorDataset(X, Y), range(3, 20)), {}),
    (Rows(), {}),
    (AtOnce(), {}),
    (Subset(Told(), range(2, 20)), {}),
    ([(X[i : i + 3], Y[i : i + 3]) for i in range(0, 25, 3)], None),
]


@pytest.mark.parametrize("data, options", RESTARTED)
@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("drop_last", [True, False])
def test_the_rest_of_an_epoch_is_the_end_of_the_whole(
    data, options, shuffle, drop_last
):
    if options is not None:
        options = {
            "shuffle": shuffle,
            "drop_last": drop_last,
            "batch_size": 4,
            "seed": 3,
        }
    for epoch in (0, 2):
        whole = list(Batches(data, **(options or {})).epoch(epoch))
        for start in range(len(whole) + 2):
            rest = list(Batches(data, **(options or {})).epoch(epoch, start=start))
            assert_same_bits(rest, whole[start:])


def test_chunks_may_begin_at_any_batch():
    wide = torch.arange(40.0).view(40, 1).expand(40, CHUNK_BYTES // 16)
    batches = Batches((wide, torch.arange(40)), batch_size=3, seed=5)
    whole = rows_of(batches, 1)
    for start in (1, 4, 13):
        rest = torch.cat([y for _, y in batches.epoch(1, start=start)])
        assert rest.tolist() == whole[3 * start :]


def test_a_data_set_is_not_asked_for_what_is_left_out():
    data = AtOnce()
    list(Batches(data, batch_size=4).epoch(0, start=5))
    assert data.asked == (4, 1)


@pytest.mark.parametrize("size", [4, 5, 25])
@pytest.mark.parametrize("drop_last", [True, False])
@pytest.mark.parametrize("kind", [Kept, KeptAndTold])
def test_a_stream_with_a_state_goes_on_in_another_process(kind, size, drop_last):
    options = {"batch_size": size, "drop_last": drop_last}
    first = Batches(kind(), **options)
    list(first.epoch(0))
    states, whole = [first.state_dict()], []
    for batch in first.epoch(1):
        whole.append(batch)
        states.append(first.state_dict())
    later = list(first.epoch(2))
    assert not torch.equal(later[0][0], whole[0][0])
    for start, state in enumerate(states):
        other = Batches(kind(), **options)
        other.load_state_dict(state)
        assert_same_bits(other.state_dict(), state)
        assert_same_bits(list(other.epoch(1, start=start)), whole[start:])
        assert_same_bits(list(other.epoch(2)), later)


def test_a_stream_without_a_state_is_read_again():
    whole = rows_of(Batches(Stream(), batch_size=4))
    for workers in (0, 1):
        batches = Batches(Stream(), batch_size=4, num_workers=workers)
        assert batches.state_dict() == {}
        rest = torch.cat([y for _, y in batches.epoch(0, start=2)])
        assert rest.tolist() == whole[8:]


def test_workers_draws_depend_neither_on_their_number_nor_on_the_start():
    def draws(num_workers, start=0, epoch=1, seed=7):
        batches = Batches(Augmented(), batch_size=4, seed=seed, num_workers=num_workers)
        return [x for x, _ in batches.epoch(epoch, start=start)]

    whole = draws(1)
    assert_same_bits(draws(2), whole)
    for start in (1, 2, 6, 7):
        assert_same_bits(draws(2, start), whole[start:])
    assert not torch.equal(whole[0], whole[1])
    assert not torch.equal(draws(1, epoch=2)[0], whole[0])
    assert not torch.equal(draws(1, seed=8)[0], whole[0])


@pytest.mark.parametrize("data, options", SOURCES, ids=IDS)
def test_the_rest_of_an_epoch_moves_no_global_generator(unchecked, data, options):
    before = random_state()
    list(Batches(data, batch_size=4, **options).epoch(1, start=2))
    assert_same_bits(random_state(), before)


# --- Rows -----------------------------------------------------------------------------


def test_changing_a_batch_in_place_leaves_the_data_alone():
    for shuffle in (True, False):
        for data in ((X.clone(), Y.clone()), {"x": X.clone(), "y": Y.clone()}):
            batches = Batches(data, batch_size=4, shuffle=shuffle)
            for _ in range(2):
                for batch in batches.epoch(0):
                    for tensor in batch.values() if isinstance(batch, dict) else batch:
                        tensor.zero_()
            x, y = data.values() if isinstance(data, dict) else data
            assert torch.equal(x, X) and torch.equal(y, Y)


def test_subsets_give_the_rows_that_indexing_gives():
    dataset = TensorDataset(X, Y)
    part, rest = random_split(dataset, [10, 15], torch.Generator().manual_seed(1))
    nested = Subset(Subset(dataset, [20, 3, 5, 7]), [3, 0, -2])
    by_rows = Subset(Rows(), [4, 2, 9])
    for subset in (part, rest, nested, by_rows):
        batches = Batches(subset, batch_size=4, shuffle=False)
        assert rows_of(batches) == [int(subset[i][1]) for i in range(len(subset))]
        assert batches.num_rows == len(subset)
        shuffled = Batches(subset, batch_size=4, seed=3)
        order = epoch_order(len(subset), seed=3, epoch=0).tolist()
        assert rows_of(shuffled) == [int(subset[i][1]) for i in order]


def test_a_data_set_that_changes_its_rows_is_asked_for_them():
    class Doubled(TensorDataset):
        def __getitem__(self, row):
            x, y = super().__getitem__(row)
            return 2 * x, y

    batches = Batches(Doubled(X, Y), batch_size=25, shuffle=False)
    assert torch.equal(next(iter(batches))[0], 2 * X)


def test_getitems_is_asked_once_a_batch():
    data = AtOnce()
    assert rows_of(Batches(data, batch_size=10, shuffle=False)) == list(range(25))
    assert data.asked == (10, 10, 5)


def test_arrays_become_tensors_and_tensors_stay():
    Point = namedtuple("Point", "x y")
    data = {
        "double": np.zeros((5, 2)),
        "ints": np.arange(5),
        "tensor": torch.zeros(5, dtype=torch.float64),
        "point": Point(np.zeros(5), torch.arange(5)),
        "name": "line",
    }
    (batch,) = Batches(data, shuffle=False)
    assert batch["double"].dtype == torch.float32 and batch["ints"].dtype == torch.int64
    assert batch["tensor"].dtype == torch.float64 and batch["name"] == "line"
    assert isinstance(batch["point"], Point)
    assert batch["point"].x.dtype == torch.float32
    (point,) = Batches(Point(X, Y), shuffle=False)
    assert isinstance(point, Point)


def test_a_single_tensor_gives_tensors():
    assert torch.equal(torch.cat(list(Batches(X, shuffle=False, batch_size=4))), X)


def test_batches_made_by_hand_are_taken_as_they_are():
    by_hand = [(X[:3], Y[:3]), (X[3:], Y[3:])]
    for data in (by_hand, [list(b) for b in by_hand], DataLoader(Rows(), 7)):
        batches = Batches(data)
        assert rows_of(batches) == list(range(25))
        assert len(batches) == len(data)
    assert Batches(by_hand).num_rows is None


def test_a_loader_is_gone_through_as_it_is():
    loader = DataLoader(TensorDataset(X, Y), batch_size=7, shuffle=True)
    torch.manual_seed(3)
    theirs = [tuple(batch) for batch in loader]
    torch.manual_seed(3)
    assert_same_bits([tuple(b) for b in Batches(loader).epoch(5)], theirs)


def test_epochs_are_told_to_those_who_ask():
    stream = Stream()
    list(Batches(stream, batch_size=4).epoch(6))
    assert stream.epoch == 6
    sampler = torch.utils.data.DistributedSampler(Rows(), num_replicas=1, rank=0)
    loader = DataLoader(Rows(), sampler=sampler)
    orders = [rows_of(Batches(loader), epoch) for epoch in (0, 1, 0)]
    assert orders[0] == orders[2] != orders[1]


def test_a_stream_has_no_length():
    batches = Batches(Stream(), batch_size=4)
    assert batches.num_rows is None
    with pytest.raises(TypeError, match="does not say how many"):
        len(batches)
    assert rows_of(Batches(Stream(), batch_size=4, drop_last=True)) == list(range(24))


def test_batches_go_to_the_device_and_may_live_there():
    for options in ({}, {"resident": True}):
        batches = Batches((X, Y), device="meta", batch_size=4, **options)
        assert {t.device.type for batch in batches for t in batch} == {"meta"}
    resident = Batches((X, Y), device="cpu", resident=True, seed=2)
    assert rows_of(resident) == rows_of(Batches((X, Y), seed=2))
    for data in (Rows(), Stream(), [(X, Y)]):
        batches = Batches(data, device="meta")
        assert {t.device.type for batch in batches for t in batch} == {"meta"}
        with pytest.raises(ConfigError, match="Leave resident out"):
            Batches(data, device="cpu", resident=True)
    with pytest.raises(ConfigError, match="resident=True needs device="):
        Batches((X, Y), resident=True)


def test_batches_of_another_device_than_the_models_train_there():
    model = nn.Linear(2, 1)
    trainer = gt.Trainer(model, nn.MSELoss(), torch.optim.SGD(model.parameters()))
    batches = Batches((X / 50, X[:, :1] / 50), batch_size=4)
    trainer.fit(batches, epochs=1, progress=False)
    assert batches.device == torch.device("cpu")


# --- What is refused ------------------------------------------------------------------


def generator():
    yield X, Y


@pytest.mark.parametrize(
    "data, message",
    [
        (generator(), r"are a generator(.|\n)*second epoch(.|\n)*Give a list"),
        ("line", "type str gives no batches"),
        (None, "type NoneType gives no batches"),
        (("a", "b"), "type tuple gives no batches"),
        ([], "type list gives no batches"),
        ((X, Y[:24]), r"shapes \(25, 2\), \(24,\)(.|\n)*same first dimension"),
        ((X, torch.tensor(1)), r"shapes \(25, 2\), \(\)"),
        ((X[:0], Y[:0]), "the data have 0 rows"),
        (Subset(TensorDataset(X, Y), []), "the data have 0 rows"),
        (Subset(Rows(), []), "the data have 0 rows"),
        (zip(X, Y, strict=True), "the data are a zip"),
        (iter([(X, Y)]), "the data are a list_iterator"),
        ((X, ["a"] * 25), r"a list of 25 str(.|\n)*with a collate_fn="),
        (nn.Sequential(), "type Sequential gives no batches"),
        ({"x": X, "names": ["a"] * 25}, "a list of 25 str"),
    ],
)
def test_data_that_give_no_batches_are_refused(data, message):
    with pytest.raises(DataError, match=message):
        Batches(data)


@pytest.mark.parametrize("data", [(X, Y), Rows()])
def test_fewer_rows_than_a_batch_needs_are_refused(data):
    with pytest.raises(DataError, match=r"25 rows, fewer than a batch of 26 needs"):
        Batches(data, batch_size=26, drop_last=True)
    assert len(Batches(data, batch_size=26)) == 1


@pytest.mark.parametrize(
    "options, message",
    [
        ({"batch_size": 0}, "batch_size must be 1 or more, got 0"),
        ({"seed": -1}, "seed must not be negative, got -1"),
        ({"num_workers": -1}, "num_workers must not be negative, got -1"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        Batches((X, Y), **options)


def test_options_that_do_not_fit_are_refused():
    loader = DataLoader(Rows())
    with pytest.raises(ConfigError, match="batch_size and drop_last given, but a Data"):
        Batches(loader, batch_size=8, drop_last=True)
    with pytest.raises(
        ConfigError, match="seed given, but a list of 1 tuple is taken for batches"
    ):
        as_batches([(X, Y)], seed=0)
    with pytest.raises(ConfigError, match="shuffle given, but a Stream"):
        as_batches(Stream(), shuffle=True)
    ours = Batches((X, Y), batch_size=8)
    assert as_batches(ours, batch_size=8) is ours
    with pytest.raises(ConfigError, match=r"batch_size=9, .* made with batch_size=8"):
        as_batches(ours, batch_size=9)


def test_every_batch_counts_its_rows():
    assert [num_rows(b) for b in Batches({"a": {"b": X}}, batch_size=20)] == [20, 5]


def test_a_dataset_is_told_the_epoch_also_inside_a_subset():
    class Shifted(Dataset):
        shift = -1

        def set_epoch(self, epoch):
            self.shift = 10 * epoch

        def __getitem__(self, index):
            return torch.tensor(index + self.shift)

        def __len__(self):
            return 4

    for data in (Shifted(), Subset(Shifted(), [0, 1])):
        batches = Batches(data, batch_size=2, shuffle=False)
        assert next(batches.epoch(3)).tolist() == [30, 31]
        assert next(batches.epoch(0)).tolist() == [0, 1]


def test_an_option_that_is_changed_later_reaches_the_source():
    batches = Batches((X, Y), batch_size=4, seed=0)
    batches.seed = 7
    assert batches.seed == batches.options.seed == 7
    assert rows_of(batches) == rows_of(Batches((X, Y), batch_size=4, seed=7))
    with pytest.raises(ConfigError, match="batch_size must be 1 or more, got 0"):
        batches.batch_size = 0
    assert batches.batch_size == 4


def test_batches_are_counted_where_the_data_say_how_many():
    assert Batches((X, Y), batch_size=4).num_batches == 7
    assert Batches(Stream()).num_batches is None
