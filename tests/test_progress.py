import contextlib
import errno
import io
import os
import pty
import re
import sys
import threading

import pytest
import torch
from torch import nn
from torch.utils.data import IterableDataset

import gradatim as gt
from gradatim import progress
from gradatim.progress import Progress

pytestmark = pytest.mark.usefixtures("unchecked")  # beartype: StringIO is no TextIO

X = torch.linspace(0, 1, 20).view(20, 1)


def fit(*callbacks, data=None, epochs=100, progress=False, val=None):
    torch.manual_seed(0)
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    trainer = gt.Trainer(model, nn.MSELoss(), optimizer)
    trainer.fit(
        data if data is not None else (X, 1 + 2 * X),
        val,
        epochs=epochs,
        batch_size=10,
        callbacks=callbacks,
        progress=progress,
    )
    return trainer


@pytest.mark.parametrize(
    "epochs, told",
    [(100, range(10, 101, 10)), (3, [1, 2, 3]), (1, [1]), (25, None)],
)
def test_a_log_gets_a_line_every_tenth_of_the_run_with_its_numbers(epochs, told):
    log = io.StringIO()
    history = fit(Progress(log), epochs=epochs, val=(X, 1 + 2 * X)).history
    lines = log.getvalue().splitlines()
    numbers = [int(re.match(rf"epoch (\d+)/{epochs}  ", line)[1]) for line in lines]
    assert numbers[-1] == epochs and len(lines) <= 10
    assert told is None or numbers == list(told)
    for number, line in zip(numbers, lines, strict=True):
        row = history.to_dicts()[number - 1]
        assert f"  train_loss {row['train_loss']:.4g}  " in line
        assert line.endswith(f"  val_loss {row['val_loss']:.4g}")
        assert f"{row['samples_per_s']:,.0f} samples/s" in line
        assert ("in all  " if number == epochs else "left  ") in line


def test_few_epochs_are_told_by_the_tenths_of_their_updates():
    log = io.StringIO()
    x = torch.ones(200, 1)
    fit(Progress(log, few_epochs=True), epochs=1, data=(x, x), val=(x, x))
    lines = log.getvalue().splitlines()
    assert len(lines) == 10
    assert all(line.startswith("epoch 1/1  ") for line in lines)
    assert ["val_loss" in line for line in lines] == [False] * 9 + [True]


def test_progress_goes_to_standard_error_and_can_be_turned_off(capsys):
    fit(epochs=20, progress=True)
    out, err = capsys.readouterr()
    assert not out and len(err.splitlines()) == 10
    fit(epochs=2)
    assert capsys.readouterr() == ("", "")


class FullDisk(io.StringIO):
    def flush(self):
        raise self.error


@pytest.mark.parametrize("few_epochs", [False, True])
def test_a_log_on_a_full_disk_ends_no_training(few_epochs):
    log = FullDisk()
    log.error = OSError(errno.ENOSPC, "No space left on device")
    trainer = fit(Progress(log, few_epochs=few_epochs), epochs=20)
    assert trainer.epoch == 20


def test_a_reader_of_the_log_that_has_gone_ends_it():
    log = FullDisk()
    log.error = BrokenPipeError(errno.EPIPE, "Broken pipe")
    with pytest.raises(BrokenPipeError):
        fit(Progress(log), epochs=20)


def test_a_second_fit_counts_its_own_tenths():
    log = io.StringIO()
    trainer = fit(epochs=5)
    trainer.fit((X, 1 + 2 * X), epochs=2, callbacks=[Progress(log)], progress=False)
    assert [line[:9] for line in log.getvalue().splitlines()] == [
        "epoch 6/7",
        "epoch 7/7",
    ]


class Stream(IterableDataset):
    def __iter__(self):
        return iter(zip(X, X, strict=True))


def test_a_stream_of_unknown_length_is_told_by_its_epochs():
    log = io.StringIO()
    fit(Progress(log), data=Stream(), epochs=4)
    lines = log.getvalue().splitlines()
    assert [line[:9] for line in lines] == [f"epoch {n}/4" for n in (1, 2, 3, 4)]
    assert "left  " in lines[0] and "in all  " in lines[-1]


class StopAt(gt.Callback):
    def on_step_end(self, trainer, loss):
        if trainer.num_steps == 5:
            trainer.stop("interrupted")


def test_a_stop_is_told_with_its_reason():
    log = io.StringIO()
    fit(StopAt(), Progress(log), epochs=100)
    last, reason = log.getvalue().splitlines()[-2:]
    assert last.startswith("epoch 3/100") and "left" not in last
    assert reason == "stopped after epoch 2: interrupted"


def test_an_error_leaves_no_line_of_its_own():
    class Fails(gt.Callback):
        def on_fit_begin(self, trainer):
            raise KeyError("mine")

    log = io.StringIO()
    with pytest.raises(KeyError, match="mine"):
        fit(Fails(), Progress(log))
    assert log.getvalue() == ""


def everything_from(leader):
    """Read what was written to a terminal that is closed by now."""
    parts = []
    with contextlib.suppress(OSError):  # how Linux tells the end
        while part := os.read(leader, 1 << 16):
            parts.append(part)
    os.close(leader)
    return b"".join(parts).decode()


def test_a_terminal_gets_one_line_that_is_renewed():
    leader, follower = pty.openpty()
    with os.fdopen(follower, "w") as terminal:
        progress = Progress(terminal)
        fit(progress, epochs=30)
    written = everything_from(leader)
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "\r", written)
    told = [part.strip() for part in re.split(r"[\r\n]+", shown) if part.strip()]
    assert all(part.startswith("epoch ") for part in told)
    assert re.match(r"epoch 30/30  0:0\d in all  .*train_loss", told[-1])
    assert written.count("\n") == 1  # at the end; before it the line is renewed
    assert sys.stderr is not terminal


def test_the_status_in_mid_epoch_names_the_epoch_at_work_and_its_mean():
    seen = []

    class Look(gt.Callback):
        def on_step_end(self, trainer, loss):
            progress._live = True  # as on a terminal
            seen.append(progress.status())
            progress._live = None

    progress = Progress(io.StringIO())
    trainer = fit(progress, Look(), epochs=2)
    assert [line[:9] for line in seen] == ["epoch 1/2"] * 2 + ["epoch 2/2"] * 2
    assert "left" in seen[0] and "samples/s" in seen[0] and "in all" in seen[3]
    assert f"train_loss {trainer.history['train_loss'][1]:.4g}" in seen[3]


class Told(io.StringIO):
    """A log, or a terminal, that says when something was written into it."""

    def __init__(self, is_terminal):
        super().__init__()
        self.is_terminal, self.told = is_terminal, threading.Event()

    def isatty(self):
        return self.is_terminal

    def write(self, text):
        written = super().write(text)
        if "reading" in text:
            self.told.set()
        return written


def test_long_work_is_one_line_in_a_log(monkeypatch):
    monkeypatch.setattr(progress, "SOON_S", 0)
    file = Told(is_terminal=False)
    with progress.at_work("reading a.csv", file=file):
        assert file.told.wait(10)
    assert file.getvalue() == "reading a.csv ...\n"


def test_on_a_terminal_the_line_of_long_work_goes_again(monkeypatch):
    monkeypatch.setattr(progress, "SOON_S", 0)
    file = Told(is_terminal=True)
    with progress.at_work("reading a.csv", file=file):
        assert file.told.wait(10)
    assert "reading a.csv  0:00" in file.getvalue()
    assert file.getvalue().endswith("\x1b[2K")  # the line is erased


@pytest.mark.parametrize(("soon_s", "shown"), [(600, True), (0, False)])
def test_short_work_and_quiet_work_are_not_told(soon_s, shown, monkeypatch):
    monkeypatch.setattr(progress, "SOON_S", soon_s)
    file, before = Told(is_terminal=False), threading.active_count()
    with progress.at_work("reading a.csv", file=file, shown=shown):
        pass
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.join(10)  # it was cancelled, and does not wait for ten minutes
    assert file.getvalue() == "" and threading.active_count() <= before


def test_work_that_fails_ends_its_line(monkeypatch):
    monkeypatch.setattr(progress, "SOON_S", 0)
    file = Told(is_terminal=True)
    with pytest.raises(ZeroDivisionError), progress.at_work("reading", file=file):
        assert file.told.wait(10)
        raise ZeroDivisionError
    assert sys.stderr is not None and "FileProxy" not in type(sys.stderr).__name__
