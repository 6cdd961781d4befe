"""What a run promises to a loop and to a trainer, beside the bits (tests/faults)."""

import shutil
import signal
from functools import partial
from itertools import pairwise
from unittest import mock

import pytest
import torch
from torch import nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import (
    DataLoader,
    TensorDataset,
)

import gradatim as gt
from gradatim.errors import (
    ConfigError,
    DiskError,
    GradatimWarning,
    ResumeError,
)
from gradatim.run.checkpoint import Checkpoints
from tests.bits import assert_same_bits
from tests.run.forms import (
    VAL,
    Rows,
    Scaled,
    X,
    Y,
    error,
    fit,
    is_locked,
    loop,
    momentum_of,
    names_in,
    network,
    one_cycle,
    record_of,
    states,
    stopping,
    stopping_at,
)


def begin(form, path, **options):
    """Fit or loop; give the model and optimizer."""
    if form is fit:
        trainer = fit(path, **options)
        return trainer.model, trainer.optimizer
    return loop(path, **options)[1:]


FORMS = pytest.mark.parametrize("form", [fit, loop])


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


# --- Changed --------------------------------------------------------------------------


def swapped(x):
    return x.flip(0)


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


# --- What cannot be exact -------------------------------------------------------------


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


def test_a_loss_without_a_state_saves_no_generator(tmp_path, capsys):
    model = nn.Sequential(network(), Noisy())

    class HoldingTheGenerator:
        generator = model[1].noise

        def __call__(self, predictions, targets):
            return ((predictions - targets) ** 2).mean()

    fit(tmp_path, model=model, loss_fn=HoldingTheGenerator())
    said = capsys.readouterr().err
    assert "exact: Noisy draws from a generator of its own (1.noise)\n" in said


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
    # A trainer tells the run of the error; a loop of one's own cannot.
    where = "step 5 (epoch 1, batch 2)" if form is fit else "step 4 (epoch 1, batch 1)"
    assert f"from {where}: resume is exact" in capsys.readouterr().err
    assert_same_bits(found, whole)


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
    before = 4 if form is fit else 3  # where an error is saved
    assert f"from step {before} (epoch " in second and "resume is exact" in second


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
