"""What a run promises to a trainer, beside the bits (tests/faults)."""

import math
import re
import signal
from unittest import mock

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import SGD
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import (
    DataLoader,
    Sampler,
)

import gradatim as gt
from gradatim.errors import (
    ConfigError,
    ResumeError,
    RunError,
)
from gradatim.run.session import fingerprint
from gradatim.store.lines import read_rows
from tests.bits import assert_same_bits
from tests.run.forms import (
    VAL,
    At,
    Rows,
    Scaled,
    Stream,
    X,
    Y,
    error,
    fit,
    is_locked,
    names_in,
    network,
    one_cycle,
    record_of,
    states,
    stopping,
    stopping_at,
)


def terminate():
    signal.raise_signal(signal.SIGTERM)


# --- Begun, gone on with, ended -------------------------------------------------------


def test_history_is_that_of_all_processes(tmp_path):
    whole = fit(tmp_path / "whole", epochs=3, val=VAL).history
    for epochs in (1, 2, 3, 3):
        history = fit(tmp_path / "x", epochs=epochs, val=VAL).history
    assert history["epoch"] == [1, 2, 3] and history.stop_reason == "epochs"
    for name in ("train_loss", "val_loss", "lr", "num_steps"):
        assert history[name] == whole[name]
    assert list(read_rows(tmp_path / "x" / "history.jsonl")) == history.to_dicts()


def test_early_stopped_run_does_not_go_on(tmp_path, capsys):
    options = {"callbacks": stopping(mode="max", patience=2)}
    ended = fit(tmp_path, epochs=9, **options)
    assert ended.epoch < 9 and "has not improved" in ended.history.stop_reason
    capsys.readouterr()
    for epochs in (9, 20):
        again = fit(tmp_path, epochs=epochs, **options)
        assert_same_bits(dict(again.model.state_dict()), dict(ended.model.state_dict()))
        assert again.history == ended.history
        assert again.history.stop_reason == ended.history.stop_reason
        assert capsys.readouterr().err == (
            f"{tmp_path} has ended: {ended.epoch} of {epochs} epochs "
            f"({ended.history.stop_reason}). Nothing is left to do.\n"
        )
    best = gt.load(tmp_path, model=network())
    assert_same_bits(dict(best.state_dict()), dict(ended.model.state_dict()))


def test_best_weights_are_put_back_though_training_did_all_its_epochs(tmp_path):
    options = {"callbacks": stopping(mode="max", patience=9)}
    ended = fit(tmp_path / "x", epochs=4, **options)
    again = fit(tmp_path / "x", epochs=4, **options)
    assert_same_bits(dict(again.model.state_dict()), dict(ended.model.state_dict()))
    more = fit(tmp_path / "x", epochs=6, **options)  # from the last ones, not the best
    whole = fit(tmp_path / "whole", epochs=6, **options)
    assert more.history["train_loss"] == whole.history["train_loss"]
    assert_same_bits(dict(more.model.state_dict()), dict(whole.model.state_dict()))


def test_epochs_before_the_run_stay_in_its_history(tmp_path):
    def fits(epochs):
        torch.manual_seed(0)
        model = network()
        optimizer = SGD(model.parameters(), lr=0.1)
        trainer = gt.Trainer(model, nn.MSELoss(), optimizer)
        options = {"batch_size": 4, "progress": False}
        trainer.fit((X, Y), epochs=2, **options)
        run = gt.Run(tmp_path / "x")
        trainer.fit((X, Y), epochs=epochs, callbacks=[run], **options)
        return trainer

    fits(1)
    trainer = fits(3)
    assert trainer.epoch == 5 and trainer.num_samples == 60
    assert trainer.history["epoch"] == [1, 2, 3, 4, 5]
    assert len(list(read_rows(tmp_path / "x" / "history.jsonl"))) == 5
    whole = fit(tmp_path / "whole", epochs=5)
    assert_same_bits(dict(trainer.model.state_dict()), dict(whole.model.state_dict()))


def test_two_fits_with_one_run_go_on(tmp_path):
    torch.manual_seed(0)
    model = network()
    trainer = gt.Trainer(model, nn.MSELoss(), SGD(model.parameters(), lr=0.1))
    run = gt.Run(tmp_path / "x")
    for epochs in (1, 3):
        trainer.fit(
            (X, Y), epochs=epochs, batch_size=4, callbacks=[run], progress=False
        )
    whole = fit(tmp_path / "whole", epochs=3)
    assert_same_bits(dict(model.state_dict()), dict(whole.model.state_dict()))
    assert trainer.history["train_loss"] == whole.history["train_loss"]


def test_progress_counts_the_epochs_of_the_whole_run(tmp_path, capsys):
    fit(tmp_path, epochs=1)
    capsys.readouterr()
    model = network()
    trainer = gt.Trainer(model, nn.MSELoss(), SGD(model.parameters(), lr=0.1))
    trainer.fit((X, Y), epochs=2, batch_size=4, callbacks=[gt.Run(tmp_path)])
    lines = capsys.readouterr().err.splitlines()
    assert "going on from step 3" in lines[0]
    assert lines[-1].startswith("epoch 2/2")
    assert not any(line.startswith("epoch 1/") for line in lines)


# --- Changed --------------------------------------------------------------------------


def test_only_what_is_accepted_is(tmp_path):
    fit(tmp_path, epochs=1)
    with pytest.raises(ResumeError, match="the config changed"):
        fit(tmp_path, lr=0.2, accept="data")
    with pytest.raises(ResumeError, match="the data changed"):
        fit(tmp_path, train=(X + 1, Y), accept=["config"])
    with pytest.raises(ConfigError, match=r"accept has 'model'(.|\n)*begin a new run"):
        gt.Run(tmp_path, accept="model")


def test_every_group_of_an_optimizer_is_compared(tmp_path):
    def groups(lr):
        def make(parameters, **options):
            first, *rest = parameters
            return SGD([{"params": [first], "lr": lr}, {"params": rest}], **options)

        return make

    fit(tmp_path, epochs=1, optimizer=groups(0.01))
    fit(tmp_path, epochs=2, optimizer=groups(0.01))
    with pytest.raises(ResumeError, match=r"optimizer\.0\.lr: 0\.01 -> 0\.02"):
        fit(tmp_path, epochs=3, optimizer=groups(0.02))
    trainer = fit(tmp_path, epochs=3, optimizer=groups(0.02), accept="config")
    assert [g["lr"] for g in trainer.optimizer.param_groups] == [0.02, 0.1]


def test_accepted_schedule_goes_on_from_its_step(tmp_path):
    ends = []
    for max_lr in (0.1, 0.3):
        callbacks = one_cycle(max_lr=max_lr, total_steps=9)
        options = {"callbacks": callbacks, "accept": "config"}
        trainer = fit(tmp_path / "x", epochs=1 if max_lr == 0.1 else 2, **options)
        ends.append(trainer.optimizer.param_groups[0]["lr"])
    whole = fit(tmp_path / "whole", callbacks=callbacks)
    assert ends[1] == whole.optimizer.param_groups[0]["lr"]


def test_callbacks_may_be_changed_where_that_is_accepted(tmp_path):
    def both(trainer):
        return [
            gt.EarlyStopping("train_loss", patience=8),
            *one_cycle(max_lr=1)(trainer),
        ]

    fit(tmp_path, epochs=1, callbacks=both)
    only = fit(tmp_path, epochs=2, callbacks=stopping(patience=8), accept="config")
    assert only.epoch == 2
    again = fit(tmp_path, epochs=3, callbacks=both, accept="config")
    assert again.epoch == 3


def test_model_that_an_earlier_fit_moved_is_no_change(tmp_path):
    """The same objects go on in a notebook, whatever their numbers are by then."""
    torch.manual_seed(0)
    model = network()
    optimizer = SGD(model.parameters(), lr=0.1)
    run = gt.Run(tmp_path)
    scheduler = StepLR(optimizer, 1)
    trainer = gt.Trainer(model, nn.MSELoss(), optimizer)
    for epochs in (1, 2):
        callbacks = [gt.LRScheduler(scheduler), run]
        trainer.fit(
            (X, Y), epochs=epochs, batch_size=4, callbacks=callbacks, progress=False
        )
    assert trainer.epoch == 2 and optimizer.param_groups[0]["lr"] == pytest.approx(1e-3)


def test_accepted_loss_is_the_one_that_trains(tmp_path):
    fit(tmp_path, epochs=1, loss_fn=Scaled(1.0))
    loss_fn = Scaled(0.0)
    trainer = fit(tmp_path, epochs=2, loss_fn=loss_fn, accept="config")
    assert loss_fn.weight == 0.0 and trainer.history["train_loss"][-1] == 0.0


@pytest.mark.parametrize("name", ["torch", "processor", "cpu_capability", "engine"])
def test_another_machine_or_torch_is_allowed_and_told(name, tmp_path, capsys):
    def other(device, **options):
        return {**fingerprint(device, **options), name: "another"}

    fit(tmp_path, epochs=1)
    with mock.patch("gradatim.run.session.fingerprint", other):
        fit(tmp_path, epochs=2)
    line = capsys.readouterr().err.splitlines()[-1]
    assert f"resume is not exact: {name} " in line and line.endswith(" -> another")


def test_cuda_is_exact_only_with_deterministic_algorithms(tmp_path, capsys):
    def on_cuda(device, **options):
        return {**fingerprint(device, **options), "device": "cuda"}

    with mock.patch("gradatim.run.session.fingerprint", on_cuda):
        for epochs in (1, 2):
            fit(tmp_path, epochs=epochs)
    err = capsys.readouterr().err
    assert "not exact: cuda without torch.use_deterministic_algorithms(True)" in err


# --- What cannot be exact -------------------------------------------------------------


class Keyed(Rows):
    """Draws from a generator of its own, in a dict."""

    def __init__(self):
        super().__init__()
        self.by_name = {"noise": np.random.default_rng(0)}


class Mine(Sampler):
    def __init__(self):
        pass

    def __len__(self):
        return 12

    def __iter__(self):
        return iter(range(12))


class Joined:
    """Joins rows, with noise from a generator of its own."""

    generator = None

    def __init__(self):
        self.generator = torch.Generator()

    def __call__(self, rows):
        return torch.utils.data.default_collate(rows)


INEXACT = [
    (lambda: Stream(), r"Stream has no state_dict\(\) and load_state_dict\(\)"),
    (lambda: Keyed(), r"Keyed draws from a generator of its own \(by_name\.noise\)"),
    (lambda: DataLoader(Stream(), 4), "DataLoader reads Stream, an IterableDataset"),
    (lambda: DataLoader(Keyed(), 4), r"Keyed draws from a generator of its own"),
    (
        lambda: DataLoader(Rows(), 4, sampler=Mine()),
        "Mine is a sampler of your own",
    ),
    (
        lambda: DataLoader(Rows(), batch_sampler=[[0, 1], [2, 3]]),
        "list is a batch sampler of your own",
    ),
    (
        lambda: DataLoader(Rows(), 4, num_workers=1, persistent_workers=True),
        "the DataLoader has persistent_workers",
    ),
    (
        lambda: DataLoader(Rows(), 4, collate_fn=Joined()),
        r"Joined draws from a generator of its own \(generator\)",
    ),
    (
        lambda: DataLoader(Rows(), 4, num_workers=2, in_order=False),
        "the DataLoader has in_order=False",
    ),
]


@pytest.mark.parametrize("make, why", INEXACT)
def test_what_cannot_be_exact_is_said_once_before_training(make, why, tmp_path, capsys):
    data, said = make(), []
    options = {} if isinstance(data, DataLoader) else {"batch_size": 4}

    class Hear(gt.Callback):
        def on_step_begin(self, trainer, batch):
            said.append(capsys.readouterr().err)

    for epochs, message in [(1, "a resume will not be"), (2, "resume is not")]:
        said.clear()
        fit(
            tmp_path,
            train=data,
            epochs=epochs,
            options=options,
            callbacks=lambda trainer: [Hear()],
            loss_fn=lambda predictions, targets: predictions.mean(),
        )
        assert len(said) > 1 and set(said[1:]) == {""}
        assert f"{message} exact: " in said[0]
        assert len(said[0].splitlines()) == 1
        assert re.search(why, said[0])
    assert capsys.readouterr().err == ""


def test_callback_that_does_not_save_what_it_moves_is_told(tmp_path, capsys):
    class Steps(gt.Callback):
        def __init__(self, trainer):
            self.trainer, self.model = trainer, trainer.model
            self.schedule = StepLR(trainer.optimizer, 1)

        def on_epoch_end(self, trainer):
            self.schedule.step()

    class Saves(Steps):
        def state_dict(self):
            return {"schedule": self.schedule.state_dict()}

        def load_state_dict(self, state):
            self.schedule.load_state_dict(state["schedule"])

    class Duck:
        def __init__(self):
            self.rng = np.random.default_rng(0)

        def on_epoch_end(self, trainer):
            self.rng.random()

    fit(tmp_path / "x", callbacks=lambda trainer: [Steps(trainer), Duck()])
    assert capsys.readouterr().err.endswith(
        "will not be exact: Steps has a StepLR (schedule) and no state_dict() to save "
        "it; Duck has a Generator (rng) and no state_dict() to save it\n"
    )
    fit(tmp_path / "y", callbacks=lambda trainer: [Saves(trainer)])
    fit(tmp_path / "z", callbacks=one_cycle(max_lr=0.1))
    assert capsys.readouterr().err == ""


def test_other_workers_are_told(tmp_path, capsys):
    def options(workers):
        return {"batch_size": 4, "num_workers": workers}

    fit(tmp_path, epochs=1, train=Rows(), val=Rows(), options=options(0))
    fit(tmp_path, epochs=2, train=Rows(), val=Rows(), options=options(1))
    line = capsys.readouterr().err
    assert "not exact: num_workers 0 -> 1; val_num_workers 0 -> 1\n" in line


def test_validation_that_cannot_be_exact_is_named(tmp_path, capsys):
    fit(tmp_path, val=Stream())
    assert "a resume will not be exact: val: Stream has" in capsys.readouterr().err


# --- When, and how many ---------------------------------------------------------------


def test_best_epoch_of_a_trainer_stays(tmp_path):
    class Feed(gt.Callback):
        def on_epoch_end(self, trainer):
            column = trainer.history.setdefault("score", [None] * trainer.epoch)
            column[-1] = [2.0, 5.0, 5.0, math.nan, 1.0][trainer.epoch - 1]

    def callbacks(trainer):
        return [Feed()]

    runs = {"monitor": "score", "mode": "max", "keep_last": 1, "callbacks": callbacks}
    for epochs in (1, 2, 3, 5):
        fit(tmp_path, epochs=epochs, **runs)
    assert names_in(tmp_path) == ["step-6", "step-15"]
    best = gt.Run(tmp_path).load_best(network())
    assert best == {"step": 6, "epoch": 2, "name": "score", "value": 5.0}
    with pytest.raises(ConfigError, match=r"no model to put(.|\n)*load_best\(model\)"):
        gt.Run(tmp_path).load_best()


def test_another_monitored_value_is_refused_or_begins_anew(tmp_path):
    fit(tmp_path, epochs=1, val=VAL, monitor="train_loss")
    with pytest.raises(ResumeError, match=r"best\.monitor: train_loss -> val_loss"):
        fit(tmp_path, val=VAL, monitor="val_loss")
    fit(tmp_path, val=VAL, monitor="val_loss", accept="config")
    assert record_of(tmp_path).best["name"] == "val_loss"
    fit(tmp_path, epochs=3, val=VAL, monitor="val_loss", mode="max", accept="config")
    assert record_of(tmp_path).best["epoch"] == 3


# --- Callbacks ------------------------------------------------------------------------


def test_run_goes_last_wherever_it_stands(tmp_path):
    def callbacks(function):
        def make(trainer):
            fails = At(4, function, "on_step_begin")
            return [*one_cycle(max_lr=0.1)(trainer), *stopping()(trainer), fails]

        return make

    options = {"epochs": 3, "every_s": 0.0}
    whole = fit(tmp_path / "whole", callbacks=callbacks(lambda: None), **options)
    for first in (True, False):
        path = tmp_path / str(first)
        with pytest.raises(KeyError):
            fit(path, callbacks=callbacks(error), first=first, **options)
        again = callbacks(lambda: None)
        trainer = fit(path, callbacks=again, first=not first, **options)
        ends = [states([t.model, t.optimizer]) for t in (trainer, whole)]
        assert_same_bits(*ends)


def test_callbacks_of_one_class_keep_their_own_states(tmp_path):
    class Counts(gt.Callback):
        def __init__(self, by):
            self.by, self.count = by, 0

        def on_step_end(self, trainer, loss):
            self.count += self.by

        def state_dict(self):
            return {"count": self.count}

        def load_state_dict(self, state):
            self.count = state["count"]

    made = []

    def callbacks(trainer):
        made[:] = [Counts(1), gt.EarlyStopping("train_loss"), Counts(10)]
        return made

    for epochs in (1, 2):
        fit(tmp_path, epochs=epochs, callbacks=callbacks)
    assert (made[0].count, made[2].count) == (6, 60)


def test_any_object_with_a_hook_is_gone_on_with(tmp_path):
    class Duck:
        called = 0

        def on_epoch_end(self, trainer):
            self.called += 1

    for epochs in (1, 2):
        fit(tmp_path, epochs=epochs, callbacks=lambda trainer: [Duck()])


def test_callback_that_fails_at_the_end_leaves_no_lock(tmp_path):
    class Fails(gt.Callback):
        def on_fit_end(self, trainer):
            raise KeyError("mine")

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyError, match="mine"):
        fit(tmp_path, callbacks=lambda trainer: [Fails()])
    assert not is_locked(tmp_path)
    assert signal.getsignal(signal.SIGTERM) is before


def test_monitored_value_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="monitors 'val_loss', but fit"):
        fit(tmp_path, monitor="val_loss")
    assert not is_locked(tmp_path)


def test_fit_within_an_except_block_ends_as_ever(tmp_path):
    try:
        error()
    except KeyError:
        fit(tmp_path)
    assert (tmp_path / "model").is_dir()
    try:
        error()
    except KeyError:
        with pytest.raises(SystemExit):
            fit(tmp_path, epochs=3, **stopping_at(fit, 8, terminate), accept="config")


# --- Broken off -----------------------------------------------------------------------


@pytest.mark.parametrize("epoch", [1, 2])
def test_signal_in_validation_keeps_the_epoch(epoch, tmp_path):
    def metric(predictions, targets):
        record = record_of(path)  # None where metrics are tried, before the run
        is_now = record is not None and record.step == 0
        if is_now and trainers[-1].epoch + 1 == epoch and armed:
            terminate()
        return predictions.mean()

    armed, trainers = [True], []

    def callbacks(trainer):
        trainers.append(trainer)
        return []

    options = {"val": VAL, "trainer": {"metrics": {"mean": metric}}}
    options["callbacks"] = callbacks
    path = tmp_path / "x"
    with pytest.raises(SystemExit):
        fit(path, **options)
    record = record_of(path)
    assert (record.epoch, record.batch) == (epoch, 0)
    assert (path / "model").is_dir() is (record.ended == "epochs") is (epoch == 2)
    armed.clear()
    found = fit(path, **options)
    whole = fit(tmp_path / "whole", **options)
    assert found.history["val_mean"] == whole.history["val_mean"]
    assert found.history["epoch"] == [1, 2]
    assert (path / "model").is_dir()
    assert_same_bits(dict(found.model.state_dict()), dict(whole.model.state_dict()))


# --- Damage ---------------------------------------------------------------------------


def test_damaged_history_is_named(tmp_path):
    fit(tmp_path, epochs=1)
    file = tmp_path / "history.jsonl"
    file.write_bytes(file.read_bytes().replace(b'"epoch": 1', b'"epoch": 7'))
    fit(tmp_path, epochs=2)
    assert [row["epoch"] for row in read_rows(file)] == [1, 2]


def test_folder_of_other_files_is_refused_and_left_alone(tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(RunError, match=r"holds thesis\.tex and is no run(.|\n)*Name a"):
        fit(tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == ["thesis.tex"]


def test_model_without_checkpoints_is_not_replaced(tmp_path):
    fit(tmp_path)
    for name in names_in(tmp_path):
        (tmp_path / "checkpoints" / name).rename(tmp_path / f"elsewhere-{name}")
    with pytest.raises(RunError, match=r"has a model, but no checkpoint(.|\n)*Name"):
        fit(tmp_path)


# --- Rows -----------------------------------------------------------------------------


def test_rows_of_a_trainer_may_hold_one_number_of_a_tensor(tmp_path):
    class Adds(gt.Callback):
        def on_epoch_end(self, trainer):
            column = trainer.history.setdefault("norm", [None] * trainer.epoch)
            column[-1] = torch.tensor(2.0)

    for epochs in (1, 2):
        trainer = fit(tmp_path, epochs=epochs, callbacks=lambda trainer: [Adds()])
    assert trainer.history["norm"] == [2.0, 2.0]


# --- Compiled -------------------------------------------------------------------------


def compiled(**options):
    return torch.compile(network(**options), backend="eager")


def test_compiled_model_goes_on_and_may_be_gone_on_with_uncompiled(tmp_path, capsys):
    def callbacks(trainer):
        return [gt.EarlyStopping("train_loss", mode="max", patience=9)]

    options = {"callbacks": callbacks, "monitor": "train_loss"}
    torch.manual_seed(0)
    whole = fit(tmp_path / "whole", epochs=3, model=network(), **options)
    for epochs, make in [(1, compiled), (2, compiled), (3, network)]:
        torch.manual_seed(0)
        trainer = fit(tmp_path / "x", epochs=epochs, model=make(), **options)
    first, second = capsys.readouterr().err.splitlines()
    assert first.endswith("resume is exact")
    assert second.endswith("resume is not exact: engine compiled -> eager")
    assert_same_bits(dict(trainer.model.state_dict()), dict(whole.model.state_dict()))
    model = gt.load(tmp_path / "x", model=network())
    assert_same_bits(dict(model.state_dict()), dict(whole.model.state_dict()))


def test_a_folder_with_another_programs_config_is_refused(tmp_path):
    (tmp_path / "config.json").write_text('{"name": "a project"}')
    with pytest.raises(RunError, match=r"config\.json is not what was written"):
        fit(tmp_path)
    assert not (tmp_path / "checkpoints").exists()
