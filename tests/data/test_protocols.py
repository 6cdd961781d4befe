"""Data sets and loaders of the user's own classes, without a base class."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, Subset, TensorDataset

import gradatim as gt
from gradatim.data import Batches, split
from gradatim.data.batches import as_batches, has_own_batches
from gradatim.errors import ConfigError, DataError
from tests.bits import assert_same_bits

X = torch.arange(50.0).view(25, 2)
Y = torch.arange(25)


class Rows:
    """A data set by protocol alone."""

    def __len__(self):
        return 25

    def __getitem__(self, row):
        return X[row], Y[row]


class WithBase(Rows, Dataset):
    pass


class Ragged(Rows):
    def __getitem__(self, row):
        return torch.full((row % 4 + 1,), float(row)), Y[row]


class Loader:
    """Batches by protocol alone."""

    told = None

    def set_epoch(self, epoch):
        self.told = epoch

    def __len__(self):
        return 5

    def __iter__(self):
        for start in range(0, 25, 5):
            yield X[start : start + 5], Y[start : start + 5]


class Unsized:
    __iter__ = Loader.__iter__


class OldStyle:
    """Begins anew at each ``iter()``, and is its own iterator."""

    def __iter__(self):
        self.batches = iter(Loader())
        return self

    def __next__(self):
        return next(self.batches)


def pad(rows):
    x, y = zip(*rows, strict=True)
    return nn.utils.rnn.pad_sequence(x, batch_first=True), torch.stack(y)


# --- Data sets ------------------------------------------------------------------------


@pytest.mark.parametrize("num_workers", [0, 2])
def test_data_sets_need_no_base_class(num_workers):
    options = {"batch_size": 4, "seed": 3, "num_workers": num_workers}
    ours = Batches(Rows(), **options)
    assert len(ours) == 7 and ours.num_rows == 25 and ours.why_inexact() == []
    assert_same_bits(list(ours.epoch(1)), list(Batches(WithBase(), **options).epoch(1)))
    assert_same_bits(
        list(ours.epoch(1, start=4)), list(Batches(WithBase(), **options).epoch(1))[4:]
    )
    assert ours.digest()["sha256"]


def test_a_list_of_rows_is_a_data_set():
    for rows in (
        [(X[row], float(row)) for row in range(25)],
        [(X[row], Y[row]) for row in range(25)],
        [(X[row].numpy(), np.int64(row)) for row in range(25)],
    ):
        assert not has_own_batches(rows)
        batches = Batches(rows, batch_size=25, shuffle=False)
        x, y = next(batches.epoch(0))
        assert x.tolist() == X.tolist() and y.tolist() == Y.tolist()
    texts = Batches(["a", "b", "c"], batch_size=2, shuffle=False)
    assert list(texts.epoch(0)) == [["a", "b"], ["c"]]


def test_a_list_of_batches_is_one_still():
    batches = [(X[:4], Y[:4]), (X[4:], Y[4:])]
    assert has_own_batches(batches)
    assert_same_bits(list(Batches(batches).epoch(0)), batches)


def test_data_sets_without_a_base_are_split():
    train, val = split(Rows(), fractions=(0.8, 0.2), seed=1)
    assert isinstance(train, Subset) and len(train) == 20 and len(val) == 5
    assert len(Batches(train, batch_size=20)) == 1


# --- Loaders --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Loader, Unsized, OldStyle])
def test_batches_of_ones_own_class_are_used_as_they_are(kind):
    data = kind()
    batches = Batches(data)
    assert has_own_batches(data)
    assert batches.num_batches == (5 if kind is Loader else None)
    for epoch in (0, 3):
        assert_same_bits(list(batches.epoch(epoch)), list(Loader()))
        if kind is Loader:
            assert data.told == epoch
    assert_same_bits(list(batches.epoch(0, start=3)), list(Loader())[3:])
    assert batches.why_inexact() == [f"{kind.__name__} is a loader of your own"]
    assert "its class alone" in batches.digest()["covers"]


class Drawing(Loader):
    """Draws its order from the global generator and one of its own."""

    def __init__(self):
        self.generator = torch.Generator().manual_seed(1)

    def __iter__(self):
        for _ in range(5):
            yield torch.rand(2), torch.rand(2, generator=self.generator)


def test_what_an_own_loader_draws_is_drawn_again():
    def gone_through(start, state=None):
        torch.manual_seed(5)
        batches = Batches(Drawing())
        batches.restartable = True
        if state is not None:
            torch.manual_seed(99)
            batches.load_state_dict(state)
        found = []
        for batch in batches.epoch(0, start=start):
            found.append(batch)
            states.append(batches.state_dict())
        return found

    states = []
    whole, first = gone_through(0), list(states)
    assert len(whole) == 5
    # From the third batch on, own draws go on; the global ones are the run's business.
    rest = gone_through(3, first[2])
    assert_same_bits([own for _, own in rest], [own for _, own in whole[3:]])


def test_options_of_rows_do_not_fit_batches():
    with pytest.raises(ConfigError, match="batch_size given, but a Loader has batches"):
        as_batches(Loader(), batch_size=3)
    for data in (Loader(), DataLoader(WithBase()), [(X, Y)]):
        for option in ({"collate_fn": pad}, {"sampler": [0]}, {"weights": [1.0] * 25}):
            name = next(iter(option))
            if isinstance(data, list) and name == "collate_fn":
                continue  # then the list has rows
            with pytest.raises(ConfigError, match=f"{name} given, but a"):
                Batches(data, **option)


def test_a_trainer_takes_them_all():
    y = X.sum(1, keepdim=True)

    class Set(Rows):
        def __getitem__(self, row):
            return X[row], y[row]

    class Given(Loader):
        def __iter__(self):
            return iter(Batches((X, y), batch_size=5, shuffle=False).epoch(0))

    losses = []
    for data in ((X, y), Set(), Given()):
        torch.manual_seed(0)
        model = nn.Linear(2, 1)
        trainer = gt.Trainer(
            model, nn.MSELoss(), torch.optim.SGD(model.parameters(), lr=1e-4)
        )
        options = {} if isinstance(data, Given) else {"batch_size": 5, "shuffle": False}
        history = trainer.fit(data, data, epochs=2, progress=False, **options)
        losses.append((history["train_loss"], history["val_loss"]))
    assert losses[0] == losses[1] == losses[2]


# --- collate_fn -----------------------------------------------------------------------


@pytest.mark.parametrize("num_workers", [0, 2])
def test_collate_fn_makes_the_batches(num_workers):
    options = {"batch_size": 4, "num_workers": num_workers, "shuffle": False}
    batches = Batches(Ragged(), collate_fn=pad, **options)
    for number, (x, y) in enumerate(batches.epoch(0)):
        assert y.tolist() == Y[4 * number : 4 * number + 4].tolist()
        assert x.shape == (len(y), 4 if len(y) == 4 else 1)


def test_a_list_with_a_collate_fn_has_rows():
    def stack(rows):
        return torch.stack([x for x, _ in rows]), torch.stack([y for _, y in rows])

    rows = [(torch.full((3,), float(row)), torch.ones(2)) for row in range(7)]
    trained = []

    class Shapes(gt.Callback):
        def on_step_begin(self, trainer, batch):
            trained.append([tuple(part.shape) for part in batch])

    model = nn.Linear(3, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    trainer = gt.Trainer(model, nn.MSELoss(), optimizer)
    trainer.fit(
        rows,
        rows,
        epochs=1,
        batch_size=4,
        collate_fn=stack,
        callbacks=[Shapes()],
        progress=False,
    )
    assert trained == [[(4, 3), (4, 2)], [(3, 3), (3, 2)]]
    assert trainer.predict(rows, collate_fn=stack).shape == (7, 2)
    assert has_own_batches(rows), "without it they may as well be batches"


def test_collate_fn_of_a_tensor_data_set_gets_its_rows():
    data = TensorDataset(X, Y)
    (batch,) = Batches(data, batch_size=25, collate_fn=len).epoch(0)
    assert batch == 25


def test_tensors_take_no_collate_fn(unchecked):
    with pytest.raises(ConfigError, match=r"data are tensors(.|\n)*no rows to put"):
        Batches((X, Y), collate_fn=pad)
    with pytest.raises(ConfigError, match="collate_fn must be a function, got a int"):
        Batches(Rows(), collate_fn=3)


def test_a_collate_fn_with_a_generator_of_its_own_is_a_reason():
    class Noisy:
        def __init__(self):
            self.rng = np.random.default_rng(0)

        def __call__(self, rows):
            return rows

    assert Batches(Rows(), collate_fn=pad).why_inexact() == []
    (reason,) = Batches(Rows(), collate_fn=Noisy()).why_inexact()
    assert "Noisy draws from a generator of its own (rng)" in reason


def test_collate_fn_of_a_fit_is_for_data_sets_alone():
    model = nn.Linear(4, 1)

    def pad_wide(rows):
        x, y = pad([(torch.cat([x, torch.zeros(4)])[:4], y.float()) for x, y in rows])
        return x, y.unsqueeze(1)

    trainer = gt.Trainer(
        model, nn.MSELoss(), torch.optim.SGD(model.parameters(), lr=1e-4)
    )
    options = {"epochs": 1, "progress": False, "collate_fn": pad_wide}
    for val in (Ragged(), (torch.zeros(3, 4), torch.zeros(3, 1))):
        assert trainer.fit(Ragged(), val, **options)["val_loss"]
    assert trainer.predict(Ragged(), collate_fn=pad_wide).shape == (25, 1)
    assert trainer.evaluate(Ragged(), collate_fn=pad_wide)["loss"] > 0
    with pytest.raises(ConfigError, match="the data are tensors"):
        trainer.predict(torch.zeros(3, 4), collate_fn=pad_wide)


def test_ragged_rows_without_one_are_pytorchs_error():
    with pytest.raises((RuntimeError, DataError)):
        list(Batches(Ragged(), batch_size=4).epoch(0))
