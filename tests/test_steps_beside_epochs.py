"""Training by steps: max_steps, val_every, epoch_steps."""

import copy
import itertools

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torch.utils.data import IterableDataset

import gradatim as gt
from gradatim.errors import ConfigError, DataError
from tests.bits import assert_same_bits

X = torch.linspace(-1, 1, 20).view(20, 1)
Y = 3 * X + 1
HOOKS = ("on_epoch_begin", "on_epoch_end", "on_history", "on_validation_begin")


class Stream(IterableDataset):
    """Rows without an end."""

    def __iter__(self):
        for number in itertools.count():
            x = torch.tensor([number % 7 / 7])
            yield x, 3 * x + 1


class Finite(IterableDataset):
    """Rows whose number only the end tells."""

    def __iter__(self):
        yield from zip(X, Y, strict=True)


class Hooks(gt.Callback):
    """Note which hooks were called after which update."""

    def __init__(self):
        self.calls = []
        for name in HOOKS:
            setattr(self, name, self.noting(name))

    def noting(self, name):
        return lambda trainer: self.calls.append((name, trainer.num_steps))

    def of(self, name):
        return [step for called, step in self.calls if called == name]


def trainer_of(seed=0):
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(1, 3), nn.Dropout(0.1), nn.Linear(3, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    return gt.Trainer(model, nn.MSELoss(), optimizer)


def fit(trainer, train, val=(X, Y), *callbacks, **options):
    options = {"batch_size": 4, "progress": False, **options}
    return trainer.fit(train, val, callbacks=callbacks, **options)


@pytest.mark.parametrize(
    "options, rows",
    [
        # (epoch, updates so far, whether it was validated)
        ({"max_steps": 7}, [(1, 7, True)]),
        (
            {"max_steps": 7, "epoch_steps": 3},
            [(1, 3, True), (2, 6, True), (3, 7, True)],
        ),
        ({"epochs": 2, "epoch_steps": 3}, [(1, 3, True), (2, 6, True)]),
        ({"max_steps": 7, "val_every": 3}, [(1, 3, True), (1, 6, True), (1, 7, True)]),
        (
            {"max_steps": 7, "val_every": 2, "epoch_steps": 4},
            [(1, 2, True), (1, 4, True), (2, 6, True), (2, 7, True)],
        ),
        (
            {"max_steps": 8, "val_every": 3, "epoch_steps": 4},
            [(1, 3, True), (1, 4, False), (2, 6, True), (2, 8, True)],
        ),
        ({"epochs": 9, "max_steps": 4, "epoch_steps": 4}, [(1, 4, True)]),
    ],
)
def test_a_stream_has_epochs_validations_and_a_history(options, rows):
    hooks = Hooks()
    trainer = trainer_of()
    history = fit(trainer, Stream(), (X, Y), hooks, **options)
    validated = [value is not None for value in history["val_loss"]]
    seen = list(zip(history["epoch"], history["num_steps"], validated, strict=True))
    assert seen == rows
    assert hooks.of("on_history") == [step for _, step, _ in rows]
    assert hooks.of("on_validation_begin") == [step for _, step, val in rows if val]
    last_of_epoch = {epoch: step for epoch, step, _ in rows}
    assert hooks.of("on_epoch_end") == list(last_of_epoch.values())
    assert trainer.epoch == len(last_of_epoch)
    assert trainer.num_steps == rows[-1][1] and history.stop_reason == "epochs"


def test_with_data_that_end_an_epoch_is_a_pass_all_the_same():
    hooks = Hooks()
    history = fit(trainer_of(), (X, Y), (X, Y), hooks, epochs=2, val_every=2)
    assert history["epoch"] == [1, 1, 1, 2, 2, 2]
    assert history["num_steps"] == [2, 4, 5, 6, 8, 10]
    validated = [value is not None for value in history["val_loss"]]
    assert validated == [True, True, False, True, True, True]
    assert hooks.of("on_epoch_end") == [5, 10]


@pytest.mark.parametrize("val_every", [2, 5])
def test_where_only_the_end_tells_the_length_no_update_is_validated_twice(val_every):
    expected = fit(trainer_of(), (X, Y), epochs=2, shuffle=False, val_every=val_every)
    hooks = Hooks()
    history = fit(trainer_of(), Finite(), (X, Y), hooks, epochs=2, val_every=val_every)
    assert hooks.of("on_epoch_end") == [5, 10]
    validated = [v for v in history["val_loss"] if v is not None]
    assert validated == [v for v in expected["val_loss"] if v is not None]
    trained = [v for v in history["train_loss"] if v is not None]
    assert trained == expected["train_loss"], "a row at the end of nothing has None"


def test_the_rows_between_validations_add_up_to_the_epoch():
    whole = fit(trainer_of(), (X, Y), epochs=1, seed=3)
    parts = fit(trainer_of(), (X, Y), epochs=1, seed=3, val_every=2)
    weights = [8, 8, 4]
    mean = sum(w * v for w, v in zip(weights, parts["train_loss"], strict=True)) / 20
    assert mean == pytest.approx(whole["train_loss"][0], rel=1e-6)
    assert parts["val_loss"][-1] == whole["val_loss"][-1]


def test_epochs_of_steps_go_on_where_the_pass_stands():
    seen = []

    class See(gt.Callback):
        def on_step_begin(self, trainer, batch):
            seen.append(batch[0].flatten().tolist())

    fit(trainer_of(), (X, Y), None, See(), epochs=4, epoch_steps=3, seed=5)
    batches = gt.data.Batches((X, Y), batch_size=4, seed=5)
    passes = [x.flatten().tolist() for n in (0, 1, 2) for x, _ in batches.epoch(n)]
    assert seen == passes[:12], "three passes of five batches, cut into fours of three"


def test_fits_by_steps_go_on_with_another_pass():
    seen = []

    class See(gt.Callback):
        def on_step_begin(self, trainer, batch):
            seen.append(batch[0].flatten().tolist())

    trainer = trainer_of()
    fit(trainer, (X, Y), None, See(), max_steps=2, seed=5)
    fit(trainer, (X, Y), None, See(), max_steps=7, seed=5)
    batches = gt.data.Batches((X, Y), batch_size=4, seed=5)
    first, second, third = (
        [x.flatten().tolist() for x, _ in batches.epoch(number)] for number in (0, 1, 2)
    )
    assert seen == first[:2] + second + third[:2]
    assert trainer.history["num_steps"] == [2, 7, 9]


def test_early_stopping_counts_validations_and_plateaus_look_at_them():
    trainer = trainer_of()
    schedule = ReduceLROnPlateau(trainer.optimizer, patience=0, threshold=1e9)
    stopping = gt.EarlyStopping("val_loss", patience=3, min_delta=1e9)
    callbacks = [gt.LRScheduler(schedule), stopping]
    history = fit(
        trainer, Stream(), (X, Y), *callbacks, max_steps=90, val_every=2, epoch_steps=5
    )
    assert trainer.num_steps == 8
    assert history.stop_reason.startswith("val_loss has not improved for 3 validations")
    assert [
        n for n, v in zip(history["num_steps"], history["val_loss"], strict=True) if v
    ]
    assert trainer.optimizer.param_groups[0]["lr"] < 0.01


@pytest.mark.parametrize("hook", ["on_validation_end", "on_epoch_end"])
def test_a_logged_value_is_monitored_in_the_rows_that_have_it(hook):
    def log(self, trainer, *_):
        trainer.log(score=1.0)

    logging = type("Logging", (gt.Callback,), {hook: log})()
    trainer = trainer_of()
    stopping = gt.EarlyStopping("score", patience=2)
    history = fit(
        trainer, (X, Y), (X, Y), logging, stopping, epochs=9, val_every=4, epoch_steps=5
    )
    assert sum(value is not None for value in history["score"]) == 3
    assert history.stop_reason.startswith("score has not improved")


def test_a_monitor_that_no_row_has_is_refused_at_the_first_whole_row():
    trainer = trainer_of()
    stopping = gt.EarlyStopping("scores", patience=2)

    class Logging(gt.Callback):
        def on_epoch_end(self, trainer):
            trainer.log(score=1.0)

    with pytest.raises(ConfigError, match="Did you mean 'score'"):
        fit(
            trainer,
            (X, Y),
            (X, Y),
            Logging(),
            stopping,
            epochs=9,
            val_every=2,
            epoch_steps=4,
        )
    assert trainer.num_steps == 4


@pytest.mark.parametrize(
    "options, message",
    [
        ({}, "neither epochs= nor max_steps="),
        ({"epochs": "3"}, "epochs must be a whole number from 1, got '3'"),
        ({"max_steps": 0}, "max_steps must be a whole number from 1, got 0"),
        ({"epochs": 1, "val_every": 1.5}, "val_every must be a whole number from 1"),
        ({"epochs": 1, "epoch_steps": True}, "epoch_steps must be a whole number"),
        ({"epochs": 1, "val_every": 2, "val": None}, "no validation data"),
    ],
)
def test_a_plan_without_an_end_is_refused(unchecked, options, message):
    val = options.pop("val", (X, Y))
    with pytest.raises(ConfigError, match=message):
        fit(trainer_of(), (X, Y), val, **options)


def test_data_that_give_nothing_the_second_time_are_named():
    class Once(IterableDataset):
        def __init__(self):
            self.rows = iter(list(zip(X, Y, strict=True)))

        def __iter__(self):
            return self.rows

    with pytest.raises(DataError, match="pass 2 over the data had no batch"):
        fit(trainer_of(), Once(), max_steps=9, epoch_steps=3)


OPTIONS = [
    {"max_steps": 11, "val_every": 3, "epoch_steps": 4},
    {"epochs": 3, "val_every": 2},
    {"epochs": 3, "epoch_steps": 4},
]


@pytest.mark.parametrize(
    "data", [(X, Y), Finite(), Stream()], ids=["xy", "it", "endless"]
)
@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "-".join(options))
def test_a_trainer_goes_on_from_any_update(data, options):
    if isinstance(data, Stream) and not options.get("epoch_steps"):
        pytest.skip("an epoch of it would never end")
    whole, states = trainer_of(), []

    class Keep(gt.Callback):
        def on_step_end(self, trainer, loss):
            keep = {"rng": torch.get_rng_state(), "history": trainer.history.to_dicts()}
            state = torch.utils._pytree.tree_map(
                lambda v: v.clone() if isinstance(v, torch.Tensor) else v,
                trainer.state_dict(),
            )
            states.append((state, keep))

    torch.manual_seed(9)
    history = fit(whole, data, (X, Y), Keep(), seed=2, **options)
    kept = {k: v for k, v in history.items() if not k.endswith("_s")}

    class Load(gt.Callback):
        def __init__(self, state, keep):
            self.state, self.keep = state, keep

        def on_fit_begin(self, trainer):
            trainer.load_state_dict(self.state)
            for row in self.keep["history"]:
                trainer.history.append(row)
            trainer.plan.first_epoch = trainer.plan.first_step = 0
            torch.set_rng_state(self.keep["rng"])

    for state, keep in states:
        trainer = trainer_of(seed=4)
        again = fit(trainer, data, (X, Y), Load(state, keep), seed=2, **options)
        assert {k: v for k, v in again.items() if not k.endswith("_s")} == kept
        assert_same_bits(trainer.model.state_dict(), whole.model.state_dict())


def test_what_an_epoch_logged_at_its_begin_is_not_logged_again_in_the_middle():
    class Count(gt.Callback):
        def __init__(self, first):
            self.number = first

        def on_epoch_begin(self, trainer):
            trainer.log(number=self.number)
            self.number += 1

    class Keep(gt.Callback):
        def on_step_end(self, trainer, loss):
            if trainer.num_steps == 2:
                states.append(copy.deepcopy(trainer.state_dict()))

    states = []
    options = {"epochs": 2, "epoch_steps": 4}
    fit(trainer_of(), (X, Y), None, Count(1), Keep(), **options)
    trainer = trainer_of()
    trainer.load_state_dict(states[0])
    history = fit(trainer, (X, Y), None, Count(7), **options)
    assert history["number"] == [1, 8]
