"""What a run promises, beside the bits: tests/faults/test_every_step.py has those."""

import math
import re
import shutil
import signal
import threading
from functools import partial
from itertools import pairwise
from unittest import mock

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import SGD, AdamW
from torch.optim import lr_scheduler as schedules
from torch.optim.lr_scheduler import OneCycleLR, SequentialLR, StepLR
from torch.optim.swa_utils import SWALR
from torch.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    Sampler,
    TensorDataset,
)

import gradatim as gt
from gradatim.errors import (
    ConfigError,
    DataError,
    DiskError,
    GradatimWarning,
    ResumeError,
    RunError,
    RunLockedError,
)
from gradatim.run.checkpoint import Checkpoints
from gradatim.run.session import fingerprint
from gradatim.store.lines import read_rows
from gradatim.store.lock import HELD
from tests.bits import assert_same_bits, random_state

X = torch.linspace(-1, 1, 24).view(12, 2)
Y = X.sum(1, keepdim=True).sin()
VAL = X[:5] + 0.1, Y[:5]


def network(width=3, dropout=0.3):
    return nn.Sequential(nn.Linear(2, width), nn.Dropout(dropout), nn.Linear(width, 1))


def fit(
    path,
    *,
    epochs=2,
    train=(X, Y),
    val=None,
    model=None,
    loss_fn=None,
    optimizer=SGD,
    lr=0.1,
    callbacks=lambda trainer: [],
    first=True,
    run=None,
    trainer=None,
    options=None,
    **runs,
):
    """Fit with a run, three steps an epoch; give the trainer."""
    torch.manual_seed(0)
    model = model or network()
    trainer = gt.Trainer(
        model,
        loss_fn or nn.MSELoss(),
        optimizer(model.parameters(), lr=lr),
        **(trainer or {}),
    )
    run = run or gt.Run(path, **runs)
    others = callbacks(trainer)
    if options is None:
        options = {"batch_size": 4}
    trainer.fit(
        train,
        val,
        epochs=epochs,
        callbacks=[run, *others] if first else [*others, run],
        progress=False,
        **options,
    )
    return trainer


def loop(
    path,
    *,
    epochs=2,
    data=(X, Y),
    model=None,
    optimizer=SGD,
    lr=0.1,
    at=lambda run: None,
    run=None,
    schedule=lambda optimizer: None,
    options=None,
    **runs,
):
    """Loop with a run, three steps an epoch; give the run and what it tracks."""
    torch.manual_seed(0)
    model = model or network()
    optimizer = optimizer(model.parameters(), lr=lr)
    scheduler = schedule(optimizer)
    train_step = gt.make_train_step(model, nn.MSELoss(), optimizer)
    run = run or gt.Run(path, **runs)
    run.track(model=model, optimizer=optimizer, scheduler=scheduler)
    options = {"batch_size": 4} if options is None else options
    for batch in run.batches(data, epochs=epochs, **options):
        loss = train_step(*batch)
        if scheduler is not None:
            scheduler.step()
        run.log(loss=loss)
        at(run)
    return run, model, optimizer


def begin(form, path, **options):
    """Fit or loop; give the model and optimizer."""
    if form is fit:
        trainer = fit(path, **options)
        return trainer.model, trainer.optimizer
    return loop(path, **options)[1:]


FORMS = pytest.mark.parametrize("form", [fit, loop])


def states(objects):
    return [each.state_dict() for each in objects]


def record_of(path):
    return Checkpoints(path).newest_header()


def names_in(path):
    return sorted(Checkpoints(path).names(), key=lambda name: int(name[5:]))


def is_locked(path):
    return any(key[1] == str((path / "lock").resolve()) for key in HELD)


class At(gt.Callback):
    """Call a function after an update, or at another hook."""

    def __init__(self, step, function, hook="on_step_end"):
        self.step, self.function = step, function
        setattr(self, hook, self.call)

    def call(self, trainer, *_):
        if trainer.num_steps == self.step:
            self.function()


def at_step(step, function):
    """The same for a loop."""

    def at(run):
        if run.step + 1 == step:
            function()

    return at


def error():
    raise KeyError("mine")


def terminate():
    signal.raise_signal(signal.SIGTERM)


def stopping_at(form, step, function):
    """Give the options with which ``function`` is called after a step."""
    if form is fit:
        return {"callbacks": lambda trainer: [At(step, function)]}
    return {"at": at_step(step, function)}


def no_stopping(form):
    return stopping_at(form, 0, error)


# --- Begun, gone on with, ended -------------------------------------------------------


@FORMS
def test_the_same_line_starts_a_run_and_goes_on_with_it(form, tmp_path, capsys):
    whole = states(begin(form, tmp_path / "whole", epochs=5))
    capsys.readouterr()
    begin(form, tmp_path / "x", epochs=2)
    assert capsys.readouterr() == ("", "")
    found = states(begin(form, tmp_path / "x", epochs=5))
    assert capsys.readouterr().err == (
        f"{tmp_path}/x: going on from step 6 (epoch 2, batch 0): resume is exact\n"
    )
    assert_same_bits(found, whole)
    record = record_of(tmp_path / "x")
    assert (record.step, record.epoch, record.batch) == (15, 5, 0)
    assert (record.samples, record.epochs, record.ended) == (60, 5, "epochs")
    assert record.resumes == [{"step": 6, "exact": True, "why_not": []}]


@FORMS
def test_run_that_ended_says_so_and_leaves_all_as_it_was(form, tmp_path, capsys):
    whole = states(begin(form, tmp_path, **no_stopping(form)))
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    capsys.readouterr()
    found = begin(form, tmp_path, **no_stopping(form))
    assert_same_bits(states(found), whole)
    assert capsys.readouterr().err == (
        f"{tmp_path} has ended: 2 of 2 epochs. Nothing is left to do.\n"
    )
    after = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    assert after == before
    begin(form, tmp_path, epochs=1, **no_stopping(form))
    assert "has ended: 2 of 1 epochs" in capsys.readouterr().err


def test_history_is_that_of_all_processes(tmp_path):
    whole = fit(tmp_path / "whole", epochs=3, val=VAL).history
    for epochs in (1, 2, 3, 3):
        history = fit(tmp_path / "x", epochs=epochs, val=VAL).history
    assert history["epoch"] == [1, 2, 3] and history.stop_reason == "epochs"
    for name in ("train_loss", "val_loss", "lr", "num_steps"):
        assert history[name] == whole[name]
    assert list(read_rows(tmp_path / "x" / "history.jsonl")) == history.to_dicts()


def test_history_of_a_loop_is_that_of_all_processes(tmp_path):
    run = loop(tmp_path / "whole", epochs=2)[0]
    with pytest.raises(KeyError):
        loop(tmp_path / "x", at=at_step(5, error), every_steps=2)
    again = loop(tmp_path / "x")[0]
    assert again.history == run.history
    assert again.history["step"] == [1, 2, 3, 4, 5, 6]
    assert again.history["epoch"] == [1, 1, 1, 2, 2, 2]
    rows = list(read_rows(tmp_path / "x" / "history.jsonl"))
    assert rows == run.history.to_dicts()


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


@FORMS
def test_run_that_was_stopped_with_a_reason_does_not_go_on(form, tmp_path, capsys):
    stopped = []
    if form is fit:

        class Enough(gt.Callback):
            def on_step_end(self, trainer, loss):
                stopped.append(trainer.num_steps)
                if trainer.num_steps == 4:
                    trainer.stop("enough")

        options = {"callbacks": lambda trainer: [Enough()]}
    else:

        def at(run):
            stopped.append(run.step + 1)
            if run.step + 1 == 4:
                run.stop("enough")

        options = {"at": at}
    found = states(begin(form, tmp_path, **options))
    assert stopped == [1, 2, 3, 4] and record_of(tmp_path).ended == "enough"
    capsys.readouterr()
    assert_same_bits(states(begin(form, tmp_path, epochs=7, **options)), found)
    assert stopped == [1, 2, 3, 4]
    assert "has ended: 1 of 7 epochs (enough)." in capsys.readouterr().err
    assert (tmp_path / "model").is_dir()


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


def test_a_loop_may_be_gone_through_again_by_the_same_run(tmp_path):
    whole = states(loop(tmp_path / "whole", epochs=3)[1:])
    run, model, optimizer = loop(tmp_path / "x", epochs=1)
    train_step = gt.make_train_step(model, nn.MSELoss(), optimizer)
    for batch in run.batches((X, Y), epochs=3, batch_size=4):
        train_step(*batch)
    assert_same_bits(states([model, optimizer]), whole)


def test_a_loop_equals_the_loop_without_a_run(tmp_path):
    found = states(loop(tmp_path)[1:])
    torch.manual_seed(0)
    model = network()
    optimizer = SGD(model.parameters(), lr=0.1)
    train_step = gt.make_train_step(model, nn.MSELoss(), optimizer)
    batches = gt.data.Batches((X, Y), batch_size=4)
    for epoch in range(2):
        for batch in batches.epoch(epoch):
            train_step(*batch)
    assert_same_bits(found, states([model, optimizer]))


def test_run_tells_where_it_stands(tmp_path):
    run = gt.Run(tmp_path / "x")
    assert (run.step, run.epoch, run.batch, run.epoch_ends) == (0, 0, 0, False)
    stands = []
    for batch in run.batches(X, epochs=2, batch_size=5):
        stands.append((run.step, run.epoch, run.batch, run.epoch_ends, len(batch)))
    assert stands == [
        (0, 0, 0, False, 5),
        (1, 0, 1, False, 5),
        (2, 0, 2, True, 2),
        (3, 1, 0, False, 5),
        (4, 1, 1, False, 5),
        (5, 1, 2, True, 2),
    ]
    assert (run.step, run.epoch, run.batch) == (6, 2, 0)


@FORMS
def test_run_whose_folder_was_removed_begins_anew(form, tmp_path):
    run = gt.Run(tmp_path / "x")
    with pytest.raises(KeyError):
        begin(form, None, run=run, **stopping_at(form, 1, error))
    shutil.rmtree(tmp_path / "x")
    begin(form, None, run=run, **no_stopping(form))
    assert names_in(tmp_path / "x") == ["step-0", "step-6"]
    if form is loop:
        assert run.history["step"] == [1, 2, 3, 4, 5, 6]


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


class Rows(Dataset):
    def __init__(self, x=X):
        self.x = x

    def __len__(self):
        return len(self.x)

    def __getitem__(self, row):
        return self.x[row], self.x[row, :1]


def swapped(x):
    return x.flip(0)


def one_cycle(**options):
    def callbacks(trainer):
        schedule = OneCycleLR(trainer.optimizer, **{"total_steps": 99, **options})
        return [gt.LRScheduler(schedule, per="step")]

    return callbacks


def stopping(**options):
    return lambda trainer: [gt.EarlyStopping("train_loss", **options)]


class Scaled(nn.Module):
    """As a loss with weights of classes."""

    def __init__(self, weight=1.0):
        super().__init__()
        self.register_buffer("weight", torch.tensor(weight))

    def forward(self, predictions, targets):
        return self.weight * nn.functional.mse_loss(predictions, targets)


class Weighted(nn.Module):
    def __init__(self, weight):
        super().__init__()
        self.inner = Scaled(weight)

    def forward(self, predictions, targets):
        return self.inner(predictions, targets)


CHANGES = [
    # form, as it was, as it is, what is named
    (
        fit,
        {},
        {"train": (X + 1, Y)},
        r"data changed(.|\n)*train\.sha256: \w{12}\.\.\. ->",
    ),
    (fit, {}, {"train": (X, swapped(Y))}, r"train\.sha256"),
    (fit, {}, {"train": Rows()}, r"train\.covers: every byte -> 12 of 12 rows"),
    (fit, {"train": Rows()}, {"train": Rows(X[:11])}, r"train\.rows: 12 -> 11"),
    (fit, {"train": Rows()}, {"train": Rows(-X)}, r"train\.sha256"),
    (fit, {"val": VAL}, {"val": (X, Y)}, r"val\.sha256"),
    (fit, {"val": VAL}, {}, r"val: \{.* -> none"),
    (loop, {}, {"data": (X + 1, Y)}, r"train\.sha256"),
    (fit, {}, {"lr": 0.2}, r"config changed(.|\n)*  optimizer\.lr: 0\.1 -> 0\.2\n"),
    (fit, {}, {"optimizer": AdamW}, r"optimizer\.class: SGD -> AdamW"),
    (fit, {}, {"loss_fn": nn.L1Loss()}, r"loss\.name: MSELoss -> L1Loss"),
    (fit, {}, {"loss_fn": nn.functional.mse_loss}, r"loss\.name: MSELoss -> mse_loss"),
    (
        fit,
        {"loss_fn": nn.HuberLoss()},
        {"loss_fn": nn.HuberLoss(delta=2.0)},
        r"loss\.delta: 1\.0 -> 2\.0",
    ),
    (
        fit,
        {"loss_fn": partial(nn.functional.huber_loss, delta=1.0)},
        {"loss_fn": partial(nn.functional.huber_loss, delta=2.0)},
        r"loss\.delta: 1\.0 -> 2\.0",
    ),
    (
        fit,
        {"loss_fn": Weighted(1.0)},
        {"loss_fn": Weighted(2.0)},
        r"loss\.inner\.buffers: \w{12}\.\.\. -> ",
    ),
    (
        fit,
        {"val": DataLoader(TensorDataset(*VAL), 2)},
        {"val": DataLoader(TensorDataset(*VAL), 3)},
        r"val_batches\.batch_size: 2 -> 3",
    ),
    (fit, {}, {"options": {"batch_size": 6}}, r"batches\.batch_size: 4 -> 6"),
    (fit, {}, {"options": {"batch_size": 4, "seed": 1}}, r"batches\.seed: 0 -> 1"),
    (fit, {}, {"trainer": {"max_norm": 1.0}}, r"max_norm: None -> 1\.0"),
    (fit, {}, {"trainer": {"num_microbatches": 2}}, r"num_microbatches: 1 -> 2"),
    (fit, {}, {"trainer": {"on_nonfinite": "skip"}}, r"on_nonfinite: raise -> skip"),
    (fit, {}, {"config": {"augment": True}}, r"own\.augment: none -> True"),
    (
        fit,
        {"callbacks": stopping(patience=2)},
        {"callbacks": stopping(patience=3)},
        r"callbacks\.EarlyStopping\.patience: 2 -> 3",
    ),
    (fit, {}, {"callbacks": stopping()}, r"callbacks\.EarlyStopping: none -> \{"),
    (
        fit,
        {"callbacks": one_cycle(max_lr=0.1)},
        {"callbacks": one_cycle(max_lr=0.2)},
        r"optimizer\.max_lr: 0\.1 -> 0\.2",
    ),
    (
        fit,
        {"callbacks": one_cycle(max_lr=0.1)},
        {"callbacks": one_cycle(max_lr=0.1, total_steps=98)},
        r"LRScheduler\.scheduler\.total_steps: 99 -> 98",
    ),
    (loop, {}, {"lr": 0.2}, r"  optimizer\.lr: 0\.1 -> 0\.2\n"),
    (
        loop,
        {"schedule": lambda optimizer: StepLR(optimizer, 2)},
        {"schedule": lambda optimizer: StepLR(optimizer, 3)},
        r"scheduler\.step_size: 2 -> 3",
    ),
    (loop, {}, {"options": {"batch_size": 4, "shuffle": False}}, r"shuffle: True -> F"),
    (
        fit,
        {},
        {"model": network(width=4)},
        r"  0\.weight: float32 \(3, 2\) -> .*\(4, 2",
    ),
    (
        fit,
        {},
        {"model": network().append(nn.Linear(1, 1))},
        r"3\.weight: none -> float",
    ),
    (loop, {}, {"model": network(width=4)}, r"model changed(.|\n)*0\.weight"),
]


@pytest.mark.parametrize("form, old, new, named", CHANGES)
def test_what_changed_is_refused_by_its_name(form, old, new, named, tmp_path):
    begin(form, tmp_path, epochs=1, **old)
    before = sorted(tmp_path.rglob("*"))
    model = new.get("model") or network()
    weights = [p.detach().clone() for p in model.parameters()]
    with pytest.raises(ResumeError, match=named) as found:
        begin(form, tmp_path, **{**new, "model": model})
    message = str(found.value)
    assert message.startswith(f"{tmp_path}: the ")
    assert "neither the old run nor a new one" in message
    if "the model changed" not in message:
        what = "data" if "the data" in message else "config"
        assert f'accept=["{what}"] (--accept {what})' in message
    else:
        assert "accept" not in message
    assert sorted(tmp_path.rglob("*")) == before
    assert all(map(torch.equal, weights, model.parameters()))
    assert not is_locked(tmp_path)


@pytest.mark.parametrize("form, old, new, named", CHANGES)
def test_what_changed_may_be_accepted_but_for_the_model(
    form, old, new, named, tmp_path, capsys
):
    begin(form, tmp_path, epochs=1, **old)
    capsys.readouterr()
    new = {**new, "model": new.get("model") or network()}
    if "weight" in named or "AdamW" in named:
        return
    begin(form, tmp_path, **new, accept=["data", "config"])
    err = capsys.readouterr().err
    assert "(epoch 1, batch 0): resume is not exact: " in err
    record = record_of(tmp_path)
    assert record.epoch == 2 and not record.resumes[0]["exact"]
    assert record.resumes[0]["why_not"]
    begin(form, tmp_path, epochs=3, **{**new, "model": network()})
    assert "(epoch 2, batch 0): resume is exact" in capsys.readouterr().err


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


@FORMS
def test_accepted_numbers_are_those_that_train(form, tmp_path):
    _, optimizer = begin(form, tmp_path / "x", epochs=1)
    (momentum,) = begin(form, tmp_path / "y", epochs=1, optimizer=momentum_of(0.5))[1:]
    assert momentum.param_groups[0]["momentum"] == 0.5
    _, optimizer = begin(form, tmp_path / "x", epochs=2, lr=0.05, accept="config")
    assert optimizer.param_groups[0]["lr"] == 0.05
    _, again = begin(form, tmp_path / "x", epochs=3, lr=0.05)
    assert again.param_groups[0]["lr"] == 0.05
    options = {"optimizer": momentum_of(0.9), "accept": "config"}
    _, momentum = begin(form, tmp_path / "y", epochs=2, **options)
    assert momentum.param_groups[0]["momentum"] == 0.9


def momentum_of(momentum):
    return lambda parameters, lr: SGD(parameters, lr=lr, momentum=momentum)


def test_accepted_rate_moves_along_with_its_schedule(tmp_path):
    def schedule(optimizer):
        return StepLR(optimizer, 3, gamma=0.1)

    options = {"schedule": schedule, "accept": "config"}
    _, _, optimizer = loop(tmp_path, epochs=1, lr=0.1, schedule=schedule)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.01)
    _, _, optimizer = loop(tmp_path, epochs=2, lr=0.2, **options)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.002)


def test_accepted_schedule_goes_on_from_its_step(tmp_path):
    ends = []
    for max_lr in (0.1, 0.3):
        callbacks = one_cycle(max_lr=max_lr, total_steps=9)
        options = {"callbacks": callbacks, "accept": "config"}
        trainer = fit(tmp_path / "x", epochs=1 if max_lr == 0.1 else 2, **options)
        ends.append(trainer.optimizer.param_groups[0]["lr"])
    whole = fit(tmp_path / "whole", callbacks=callbacks)
    assert ends[1] == whole.optimizer.param_groups[0]["lr"]


def test_accepted_schedule_within_another_goes_on(tmp_path):
    def schedule(gamma):
        def make(optimizer):
            parts = [StepLR(optimizer, 1, gamma=gamma), StepLR(optimizer, 1)]
            return SequentialLR(optimizer, parts, milestones=[8])

        return make

    loop(tmp_path, epochs=1, schedule=schedule(0.5))
    with pytest.raises(ResumeError, match=r"_schedulers\.0\.gamma: 0\.5 -> 0\.25"):
        loop(tmp_path, epochs=2, schedule=schedule(0.25))
    options = {"schedule": schedule(0.25), "accept": "config"}
    _, _, optimizer = loop(tmp_path, epochs=2, **options)
    lr = 0.1 * 0.5**3 * 0.25**3
    assert optimizer.param_groups[0]["lr"] == pytest.approx(lr)


def sequence(optimizer):
    parts = [schedules.ConstantLR(optimizer), schedules.ExponentialLR(optimizer, 0.9)]
    return SequentialLR(optimizer, parts, milestones=[3])


def chain(optimizer):
    parts = [schedules.LinearLR(optimizer), schedules.CosineAnnealingLR(optimizer, 4)]
    return schedules.ChainedScheduler(parts, optimizer)


SCHEDULES = {
    "ChainedScheduler": chain,
    "ConstantLR": lambda optimizer: schedules.ConstantLR(optimizer, total_iters=4),
    "CosineAnnealingLR": lambda optimizer: schedules.CosineAnnealingLR(optimizer, 5),
    "CosineAnnealingWarmRestarts": lambda optimizer: (
        schedules.CosineAnnealingWarmRestarts(optimizer, 2, T_mult=2)
    ),
    "CyclicLR": lambda optimizer: schedules.CyclicLR(optimizer, 0.01, 0.1, 2),
    "ExponentialLR": lambda optimizer: schedules.ExponentialLR(optimizer, 0.9),
    "LambdaLR": lambda optimizer: schedules.LambdaLR(optimizer, lambda n: 0.9**n),
    "LinearLR": lambda optimizer: schedules.LinearLR(optimizer),
    "MultiStepLR": lambda optimizer: schedules.MultiStepLR(optimizer, [2, 2, 5]),
    "MultiplicativeLR": lambda optimizer: schedules.MultiplicativeLR(
        optimizer, lambda n: 0.9
    ),
    "OneCycleLR": lambda optimizer: OneCycleLR(optimizer, 0.1, total_steps=9),
    "PolynomialLR": lambda optimizer: schedules.PolynomialLR(optimizer, 4),
    "SWALR": lambda optimizer: SWALR(optimizer, 0.01, anneal_epochs=4),
    "SequentialLR": sequence,
    "StepLR": lambda optimizer: StepLR(optimizer, 2),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_goes_on(name, tmp_path):
    lrs = []

    def make(optimizer):
        lrs.append([])
        optimizer.register_step_post_hook(
            lambda *_: lrs[-1].append(optimizer.param_groups[0]["lr"])
        )
        return SCHEDULES[name](optimizer)

    options = {"schedule": make, "optimizer": momentum_of(0.9), "every_steps": 1}
    whole = states(loop(tmp_path / "whole", **options)[1:])
    with pytest.raises(KeyError):
        loop(tmp_path / "x", at=at_step(4, error), **options)
    assert_same_bits(states(loop(tmp_path / "x", **options)[1:]), whole)
    assert len(set(lrs[0])) > 1
    assert lrs[2] == lrs[0][3:]


def test_the_list_of_schedules_is_pytorchs_whole_list():
    found = set(schedules.__all__) - {"LRScheduler", "ReduceLROnPlateau"}
    assert found <= set(SCHEDULES)


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


@FORMS
def test_other_threads_are_allowed_and_told(form, tmp_path, capsys):
    begin(form, tmp_path, epochs=1)
    torch.set_num_threads(2)
    begin(form, tmp_path, epochs=2)
    assert "resume is not exact: threads 1 -> 2\n" in capsys.readouterr().err
    begin(form, tmp_path, epochs=3)
    assert "resume is exact\n" in capsys.readouterr().err
    exact = [resume["exact"] for resume in record_of(tmp_path).resumes]
    assert exact == [False, True]


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


class Stream(IterableDataset):
    def __iter__(self):
        return iter(zip(X, Y, strict=True))


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


class Noisy(nn.Module):
    def __init__(self):
        super().__init__()
        self.noise = torch.Generator()

    def forward(self, x):
        return x + torch.randn(x.shape, generator=self.noise)


def test_model_with_a_generator_of_its_own_is_told_unless_it_is_tracked(
    tmp_path, capsys
):
    model = nn.Sequential(network(), Noisy())
    fit(tmp_path / "x", model=model)
    reason = "exact: Noisy draws from a generator of its own (1.noise)\n"
    assert capsys.readouterr().err == f"{tmp_path}/x: a resume will not be {reason}"
    run = gt.Run(tmp_path / "y")
    run.track(model=model, noise=model[1].noise)
    next(run.batches((X, Y), epochs=1))
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


def test_parameters_that_are_not_tracked_are_told(tmp_path, capsys):
    model, other = network(), nn.Linear(1, 1)
    optimizer = SGD([*model.parameters(), *other.parameters()], lr=0.1)
    run = gt.Run(tmp_path / "x")
    run.track(model=model, optimizer=optimizer)
    next(run.batches((X, Y), epochs=1))
    told = capsys.readouterr().err
    assert told.endswith(
        "will not be exact: SGD holds 2 parameters that are not saved\n"
    )
    run = gt.Run(tmp_path / "y")
    run.track(model=model, other=other, optimizer=optimizer)
    next(run.batches((X, Y), epochs=1))
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


@pytest.mark.parametrize(
    "data",
    [
        Rows(),
        DataLoader(Rows(), 4),
        DataLoader(Rows(), 4, shuffle=True),
        DataLoader(Rows(), 4, sampler=RandomSampler(Rows())),
        DataLoader(TensorDataset(X, Y), 4, generator=torch.Generator(), shuffle=True),
        [(X[:4], Y[:4]), (X[4:], Y[4:])],
    ],
)
def test_what_can_be_exact_is_said_to_be(data, tmp_path, capsys):
    for epochs in (1, 2):
        loop(tmp_path, data=data, epochs=epochs, options={})
    err = capsys.readouterr().err
    assert err.endswith("resume is exact\n") and len(err.splitlines()) == 1


# --- When, and how many ---------------------------------------------------------------


@FORMS
@pytest.mark.parametrize(
    "options, steps",
    [
        ({}, [0, 9]),
        ({"every_steps": 2}, [0, 2, 4, 6, 8, 9]),
        ({"every_steps": 3}, [0, 3, 6, 9]),
        ({"every_epochs": 1}, [0, 3, 6, 9]),
        ({"every_epochs": 2}, [0, 6, 9]),
        ({"every_steps": 4, "every_epochs": 2}, [0, 4, 6, 8, 9]),
        ({"every_s": 0.0}, list(range(10))),
    ],
)
def test_checkpoints_are_written_when_they_are_asked_for(
    form, options, steps, tmp_path
):
    begin(form, tmp_path, epochs=3, **{"every_s": None, "keep_last": 99, **options})
    assert [int(name[5:]) for name in names_in(tmp_path)] == steps


@FORMS
def test_seconds_are_counted_from_the_last_checkpoint(form, tmp_path):
    clock = iter(range(1000))
    time = mock.Mock(monotonic=lambda: 10.0 * next(clock))
    with mock.patch("gradatim.run.session.time", time):
        begin(form, tmp_path, epochs=4, every_s=25.0, keep_last=99)
    steps = [int(name[5:]) for name in names_in(tmp_path)]
    assert steps[0] == 0 and steps[-1] == 12
    gaps = [later - earlier for earlier, later in pairwise(steps)]
    assert set(gaps[:-1]) <= {2, 3} and len(gaps) >= 4


@FORMS
@pytest.mark.parametrize("keep_last", [1, 2])
def test_only_the_last_checkpoints_stay(form, keep_last, tmp_path):
    begin(form, tmp_path, epochs=3, every_steps=1, keep_last=keep_last)
    assert names_in(tmp_path) == [f"step-{n}" for n in range(10 - keep_last, 10)]


def test_best_checkpoint_stays_and_its_weights_can_be_had(tmp_path):
    values = iter([3.0, 1.0, math.nan, 2.0, 1.0, 5.0, 7.0, 9.0, 4.0])
    kept, told = [], []

    def at(run):
        told.append(run.best(torch.tensor(next(values)), name="val_loss"))
        kept.append([p.detach().clone() for p in models[0].parameters()])

    models = [network()]
    run = loop(tmp_path, model=models[0], epochs=3, at=at, keep_last=1)[0]
    assert told == [True, True, *[False] * 7]
    assert names_in(tmp_path) == ["step-2", "step-9"]
    expected = {"step": 2, "epoch": 1, "name": "val_loss", "value": 1.0}
    assert run.load_best() == expected
    assert all(map(torch.equal, models[0].parameters(), kept[1]))
    other = network()
    assert gt.Run(tmp_path).load_best(other) == expected
    assert all(map(torch.equal, other.parameters(), kept[1]))


def test_best_step_is_saved_and_no_other_for_it(tmp_path):
    values = iter([3.0, 1.0, 2.0, 2.0, 0.5, 2.0])
    loop(tmp_path, at=lambda run: run.best(next(values)), keep_last=99)
    assert names_in(tmp_path) == [f"step-{n}" for n in (0, 1, 2, 5, 6)]


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


def test_best_is_of_one_value(tmp_path):
    def at(run):
        run.best(1.0, name="val_loss")
        run.best(2.0, name="accuracy", mode="max")

    with pytest.raises(ConfigError, match=r"given 'accuracy', .* 'val_loss'(.|\n)*log"):
        loop(tmp_path, at=at)


def test_another_monitored_value_is_refused_or_begins_anew(tmp_path):
    fit(tmp_path, epochs=1, val=VAL, monitor="train_loss")
    with pytest.raises(ResumeError, match=r"best\.monitor: train_loss -> val_loss"):
        fit(tmp_path, val=VAL, monitor="val_loss")
    fit(tmp_path, val=VAL, monitor="val_loss", accept="config")
    assert record_of(tmp_path).best["name"] == "val_loss"
    fit(tmp_path, epochs=3, val=VAL, monitor="val_loss", mode="max", accept="config")
    assert record_of(tmp_path).best["epoch"] == 3


def test_without_a_best_step_none_can_be_had(tmp_path):
    run = gt.Run(tmp_path / "x")
    with pytest.raises(RunError, match=r"no best step\.(.|\n)*Run\(monitor=\.\.\.\)"):
        run.load_best(network())
    loop(tmp_path / "x")
    with pytest.raises(RunError, match="no best step"):
        gt.Run(tmp_path / "x").load_best(network())


def test_best_of_a_step_that_was_broken_off_is_none(tmp_path):
    run = gt.Run(tmp_path)
    model = network()
    run.track(model=model)
    for _ in run.batches((X, Y), epochs=1, batch_size=4):
        if run.best(run.step):
            continue
        break
    assert run.load_best()["step"] == 1
    for _ in run.batches((X, Y), epochs=1, batch_size=4):
        assert run.best(-1.0)
        break
    assert run.load_best()["step"] == 1


def test_own_configuration_is_told_apart_by_what_it_says(tmp_path):
    class Thing:
        pass

    def function():
        pass

    things = [torch.float32, Thing(), Thing, function, lambda: 0, {1: (2, math.inf)}]
    for _ in range(2):
        run = gt.Run(tmp_path, config={"things": [*things, torch.zeros(200)]})
        list(run.batches((X, Y), epochs=1))
        things[1] = Thing()  # of another address
    with pytest.raises(ResumeError, match=r"own\.things: "):
        next(gt.Run(tmp_path, config={"things": [1]}).batches((X, Y), epochs=2))


@pytest.mark.parametrize(
    "options, message",
    [
        ({"every_s": -1.0}, "every_s must not be negative, got -1"),
        ({"every_steps": 0}, "every_steps must be 1 or more, got 0"),
        ({"every_steps": 1.5}, r"every_steps must be 1 or more, got 1\.5"),
        ({"every_epochs": -1}, "every_epochs must be 1 or more, got -1"),
        ({"keep_last": 0}, "keep_last must be 1 or more, got 0"),
        ({"keep_last": None}, "keep_last must be 1 or more, got None"),
        ({"mode": "up"}, "mode must be 'min' or 'max', got 'up'"),
        ({"on_save_error": "ignore"}, "'raise' or 'warn', got 'ignore'"),
    ],
)
def test_options_out_of_range_are_refused(options, message, tmp_path, unchecked):
    with pytest.raises(ConfigError, match=message):
        gt.Run(tmp_path, **options)


@pytest.mark.parametrize("epochs", [0, 1.5, True])
def test_epochs_out_of_range_are_refused(epochs, tmp_path, unchecked):
    with pytest.raises(ConfigError, match="a whole number from 1, got"):
        gt.Run(tmp_path).batches((X, Y), epochs=epochs)


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
    with pytest.raises(ConfigError, match="'val_loss' is monitored"):
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


@FORMS
def test_after_an_error_it_goes_on_from_the_last_checkpoint(form, tmp_path, capsys):
    whole = states(begin(form, tmp_path / "whole", **no_stopping(form)))
    path = tmp_path / "x"
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyError, match="mine"):
        begin(form, path, every_steps=2, **stopping_at(form, 5, error))
    after = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    assert after == before and not is_locked(path)
    assert not (path / "model").exists()
    capsys.readouterr()
    found = states(begin(form, path, **no_stopping(form)))
    assert "from step 4 (epoch 1, batch 1): resume is exact" in capsys.readouterr().err
    assert_same_bits(found, whole)


def test_a_batch_that_a_break_leaves_is_not_done(tmp_path):
    whole = states(loop(tmp_path / "whole")[1:])
    model = network()
    optimizer = SGD(model.parameters(), lr=0.1)
    train_step = gt.make_train_step(model, nn.MSELoss(), optimizer)
    run = gt.Run(tmp_path / "x", every_steps=1)
    run.track(model=model, optimizer=optimizer)
    torch.manual_seed(0)
    model.load_state_dict(network().state_dict())
    seen = []
    for _ in range(3):
        for batch in run.batches((X, Y), epochs=2, batch_size=4):
            train_step(*batch)
            seen.append(run.step)
            if len(seen) in (2, 5):
                break
        assert not is_locked(tmp_path / "x")
    assert seen == [0, 1, 1, 2, 3, 3, 4, 5]
    assert_same_bits(states([model, optimizer]), whole)


@FORMS
@pytest.mark.parametrize(
    "number, raised", [(signal.SIGTERM, SystemExit), (signal.SIGINT, KeyboardInterrupt)]
)
def test_signal_ends_after_the_step_at_hand(form, number, raised, tmp_path, capsys):
    whole = states(begin(form, tmp_path / "whole", **no_stopping(form)))
    path = tmp_path / "x"
    options = stopping_at(form, 4, lambda: signal.raise_signal(number))
    with pytest.raises(raised) as found:
        begin(form, path, **options)
    if raised is SystemExit:
        assert found.value.code == 143
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    record = record_of(path)
    # A callback hears of it when the next step is done: all of them see the same.
    assert record.step == (5 if form is fit else 4) and record.ended is None
    assert not (path / "model").exists()
    assert_same_bits(states(begin(form, path, **no_stopping(form))), whole)


@pytest.mark.parametrize("epoch", [1, 2])
def test_signal_in_validation_keeps_the_epoch(epoch, tmp_path):
    def metric(predictions, targets):
        if record_of(path).step == 0 and trainers[-1].epoch + 1 == epoch and armed:
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


def test_second_run_of_a_process_takes_over(tmp_path):
    """A cell that is run again makes another Run while the first is not done."""
    first = gt.Run(tmp_path, every_steps=1).batches((X, Y), epochs=1, batch_size=4)
    next(first)
    second = gt.Run(tmp_path, every_steps=1).batches((X, Y), epochs=1, batch_size=4)
    next(second)
    with pytest.raises(RunLockedError, match="a newer Run of this process"):
        next(first)
    assert len(list(second)) == 2
    assert record_of(tmp_path).ended == "epochs"


def test_loop_that_an_error_left_half_done_does_not_hear_the_signals(tmp_path):
    old = gt.Run(tmp_path / "old")
    kept = old.batches((X, Y), epochs=1, batch_size=4)  # as a traceback keeps it
    next(kept)
    for run in (gt.Run(tmp_path / "new"), old):
        done = 0
        with pytest.raises(KeyboardInterrupt):
            for _ in run.batches((X, Y), epochs=1, batch_size=4):
                done += 1
                signal.raise_signal(signal.SIGINT)
        assert done == 1
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert list(kept) == []


def test_loop_in_a_thread_touches_no_signals(tmp_path):
    ended = []
    thread = threading.Thread(target=lambda: ended.append(loop(tmp_path)[0].step))
    thread.start()
    thread.join()
    assert ended == [6]


# --- Damage ---------------------------------------------------------------------------


@FORMS
@pytest.mark.parametrize("name", ["model.safetensors", "state.json", "manifest.json"])
def test_damaged_checkpoint_is_named_and_the_one_before_used(
    form, name, tmp_path, capsys
):
    whole = states(begin(form, tmp_path / "whole", **no_stopping(form)))
    path = tmp_path / "x"
    with pytest.raises(KeyError):
        begin(form, path, every_steps=1, **stopping_at(form, 5, error))
    newest = path / "checkpoints" / names_in(path)[-1]
    content = bytearray((newest / name).read_bytes())
    content[len(content) // 2] ^= 1
    (newest / name).write_bytes(content)
    capsys.readouterr()
    assert_same_bits(states(begin(form, path, **no_stopping(form))), whole)
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith(f"{newest / name} ")
    assert "going on from step 3 (epoch " in second and "resume is exact" in second


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


@FORMS
def test_save_that_fails_ends_training_or_is_told(form, tmp_path):
    real, failing = Checkpoints.save, [2, 3, 4]

    def save(self, record, model, state):
        if record.step in failing:
            raise DiskError(f"the disk is full at step {record.step}.")
        return real(self, record, model, state)

    with mock.patch.object(Checkpoints, "save", save):
        with pytest.raises(DiskError, match="the disk is full at step 2"):
            begin(form, tmp_path / "x", every_steps=1)
        assert not is_locked(tmp_path / "x")
        options = {"every_steps": 1, "on_save_error": "warn", "keep_last": 9}
        with pytest.warns(GradatimWarning, match="goes on, as on_save_error") as told:
            found = begin(form, tmp_path / "y", **options)
    assert len(told) >= 3
    assert names_in(tmp_path / "y") == ["step-0", "step-1", "step-5", "step-6"]
    assert_same_bits(states(found), states(begin(form, tmp_path / "whole")))
    assert_same_bits(states(begin(form, tmp_path / "x")), states(found))


# --- Rows -----------------------------------------------------------------------------


def test_rows_hold_what_is_no_number_of_json(tmp_path):
    def at(run):
        run.log(nan=math.nan, inf=-math.inf, text="naïve \u2028", none=None, flag=True)
        run.log(array=np.float32(0.5), count=np.int64(3), tensor=torch.ones(1))

    loop(tmp_path, epochs=1, at=at)
    history = loop(tmp_path, epochs=1)[0].history
    assert [math.isnan(v) for v in history["nan"] if v is not None] == [True] * 3
    assert history["inf"].count(-math.inf) == 3
    assert history["text"][1] == "naïve \u2028" and history["flag"][1] is True
    assert history["array"][2] == 0.5 and type(history["count"][2]) is int
    assert history["tensor"][2] == 1.0


@pytest.mark.parametrize("value", [torch.zeros(2), np.zeros(2), [torch.zeros(1)]])
def test_rows_refuse_what_they_cannot_hold(value, tmp_path):
    with pytest.raises(ConfigError, match=r"x(.|\n)*holds numbers, texts"):
        loop(tmp_path, at=lambda run: run.log(x=value))


def test_rows_of_a_trainer_may_hold_one_number_of_a_tensor(tmp_path):
    class Adds(gt.Callback):
        def on_epoch_end(self, trainer):
            column = trainer.history.setdefault("norm", [None] * trainer.epoch)
            column[-1] = torch.tensor(2.0)

    for epochs in (1, 2):
        trainer = fit(tmp_path, epochs=epochs, callbacks=lambda trainer: [Adds()])
    assert trainer.history["norm"] == [2.0, 2.0]


def test_outside_of_the_loop_nothing_can_be_noted(tmp_path):
    run = gt.Run(tmp_path)
    for call in (lambda: run.log(x=1), lambda: run.best(1.0)):
        with pytest.raises(RunError, match=r"outside of a loop(.|\n)*epoch_ends"):
            call()
    loop(tmp_path, run=run)
    for call in (lambda: run.log(x=1), lambda: run.best(1.0)):
        with pytest.raises(RunError, match="outside of a loop"):
            call()
    assert len(run.history["step"]) == 6


# --- What a loop tracks ---------------------------------------------------------------


def test_what_has_no_state_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"track\(rate=\.\.\.\) is a float without"):
        gt.Run(tmp_path).track(rate=0.1)


def test_none_and_nothing_can_be_tracked(tmp_path):
    run = gt.Run(tmp_path)
    run.track(scaler=None)
    assert len(list(run.batches((X, Y), epochs=1, batch_size=4))) == 3


def test_a_generator_of_the_users_own_goes_on(tmp_path):
    def draws(path, stop=None, seed=0):
        generator = torch.Generator().manual_seed(seed)
        run = gt.Run(path, every_steps=1)
        run.track(noise=generator)
        found = []
        for _ in run.batches((X, Y), epochs=2, batch_size=4):
            found.append(torch.rand(1, generator=generator).item())
            if len(found) == stop:
                break
        return found

    whole = draws(tmp_path / "whole")
    assert [*draws(tmp_path / "x", 3)[:2], *draws(tmp_path / "x", seed=9)] == whole


@pytest.mark.parametrize("gradients", [True, False])
def test_gradients_are_kept_unless_they_are_not_wanted(gradients, tmp_path):
    def train(path, stop=None):
        torch.manual_seed(0)
        model = nn.Embedding(12, 1, sparse=True)
        run = gt.Run(path, every_steps=1)
        run.track(model=model, gradients=gradients)
        for rows in run.batches(torch.arange(12), epochs=1, batch_size=4):
            if run.step == stop:
                break
            model(rows).pow(2).sum().backward()
        return model.weight.grad.to_dense()

    whole = train(tmp_path / "whole")
    train(tmp_path / "x", stop=2)
    assert torch.equal(train(tmp_path / "x"), whole) is gradients


def test_batches_without_rows_are_gone_through(tmp_path):
    loader = DataLoader(["a", "b", "c"], batch_size=2, collate_fn="".join)
    run = gt.Run(tmp_path / "x")
    assert list(run.batches(loader, epochs=2)) == ["ab", "c"] * 2
    assert record_of(tmp_path / "x").samples == 0


def test_epoch_without_a_batch_is_refused(tmp_path):
    class Once(Stream):
        rows = iter(zip(X, Y, strict=True))

        def __iter__(self):
            return self.rows

    run = gt.Run(tmp_path)
    with pytest.raises(DataError, match=r"epoch 2 had no batch\.(.|\n)*exhausted"):
        list(run.batches(Once(), epochs=3, batch_size=4))
    assert record_of(tmp_path).step == 0


def test_modules_are_saved_under_their_names(tmp_path):
    run = gt.Run(tmp_path)
    a, b = nn.Linear(1, 1), nn.Linear(1, 1)
    run.track(a=a, b=b)
    list(run.batches((X, Y), epochs=1, batch_size=4))
    run = gt.Run(tmp_path)
    others = nn.Linear(1, 1), nn.Linear(1, 1)
    run.track(a=others[0], b=others[1])
    list(run.batches((X, Y), epochs=1, batch_size=4))
    assert_same_bits(states(others), states([a, b]))


def test_run_moves_no_generator(tmp_path, unchecked):
    loader = DataLoader(Rows(), 4, generator=torch.Generator())
    before = random_state()
    for data in ((X, Y), Rows(), loader):
        run = gt.Run(tmp_path / type(data).__name__, every_steps=1)
        options = {} if data is loader else {"batch_size": 4}
        list(run.batches(data, epochs=2, **options))
    assert_same_bits(random_state(), before)


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
