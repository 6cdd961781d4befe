"""Faults of the system: a kill or an error at one call of ``os`` after the other."""

import contextlib
import os
import signal
import stat
import threading
import time
from unittest import mock

import safetensors.torch  # not in the middle of a test
import torch
from torch import nn

import gradatim as gt
from gradatim.run.checkpoint import Checkpoints
from gradatim.run.checkpoint_header import CheckpointHeader
from gradatim.store.manifest import read_folder
from tests.faults.processes import _status_of

# What changes the disk.
CHANGING = {
    "fsync",
    "ftruncate",
    "mkdir",
    "open",
    "pwrite",
    "rename",
    "replace",
    "rmdir",
    "truncate",
    "unlink",
    "write",
}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
REMOVING = {"rmdir", "unlink"}

# --- A training of a few steps ----------------------------------------------------

X = torch.linspace(-1, 1, 36).reshape(12, 3)
Y = X.sum(1, keepdim=True).sin()


def parts(seed=0):
    """Dropout draws, and AdamW and OneCycle remember."""
    torch.manual_seed(seed)
    layers = [nn.Linear(3, 8), nn.Dropout(0.3), nn.ReLU(), nn.Linear(8, 1)]
    model = nn.Sequential(*layers)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.05)
    return model, optimizer


def loop(folder, *, epochs=2, on_step=lambda step: None, accept=(), x=X, **options):
    """A loop of one's own, three steps an epoch; give its end to the bit."""
    model, optimizer = parts()
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=0.1, total_steps=10_000
    )
    train_step = gt.make_train_step(model, nn.MSELoss(), optimizer)
    options = {"every_s": None, "every_steps": 2, "keep_last": 1, **options}
    run = gt.Run(folder, accept=accept, **options)
    run.track(model=model, optimizer=optimizer, scheduler=scheduler)
    for batch in run.batches((x, Y), batch_size=4, epochs=epochs, seed=1):
        on_step(run.step)
        loss = train_step(*batch)
        scheduler.step()
        run.log(loss=loss)
        if run.epoch_ends:
            run.best(loss)
    columns = {name: run.history[name] for name in ("step", "epoch", "loss")}
    return [model.state_dict(), optimizer.state_dict(), scheduler.state_dict(), columns]


class OnStep(gt.Callback):
    def __init__(self, on_step):
        self.on_step = on_step

    def on_step_begin(self, trainer, batch):
        self.on_step(trainer.num_steps)


def trainer(
    folder,
    *,
    epochs=2,
    on_step=lambda step: None,
    on_validation=lambda: None,
    accept=(),
    x=X,
    **options,
):
    """The same by the trainer, which validates."""
    model, optimizer = parts()
    model.register_forward_pre_hook(
        lambda model, _: None if model.training else on_validation()
    )
    options = {"every_s": None, "every_steps": 2, "keep_last": 1, **options}
    run = gt.Run(folder, accept=accept, monitor="val_loss", **options)
    stopping = gt.EarlyStopping("val_loss", patience=1000)
    history = gt.Trainer(model, nn.MSELoss(), optimizer).fit(
        (x, Y),
        val=(X[:6], Y[:6]),
        batch_size=4,
        epochs=epochs,
        seed=1,
        callbacks=[OnStep(on_step), stopping, run],
        progress=False,
    )
    columns = {name: history[name] for name in ("epoch", "train_loss", "val_loss")}
    return [model.state_dict(), optimizer.state_dict(), columns]


FORMS = {"loop": loop, "trainer": trainer}


def state(step, size=300):
    return {"weight": torch.full((size,), float(step))}


def save(checkpoints, step, size=300, **about):
    """Write a checkpoint without a training."""
    record = CheckpointHeader(
        step=step,
        epoch=0,
        batch=step,
        samples=step,
        history={"rows": 0, "bytes": 0, "sha256": ""},
        fingerprint={},
        data={},
        config={},
        **about,
    )
    return checkpoints.save(record, state(step, size), {"optimizer": state(step)})


def checkpoints_of(folder):
    """Read all checkpoints of a run, whole or else an error; newest last."""
    found = Checkpoints(folder)
    read = [found.read(name) for name in found.names()]
    return sorted(read, key=lambda each: each.header.step)


def leftovers(folder):
    return sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.name.startswith((".tmp", "damaged")) or path.name.endswith("-old")
    )


def names_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def check_ended(folder, names):
    """The run is as the one that was never stopped, and so is its model."""
    assert names_in(folder) == names
    (*_, last) = checkpoints_of(folder)
    model = safetensors.torch.load(read_folder(folder / "model")["model.safetensors"])
    assert last.header.ended == "epochs"
    assert list(model) and all(torch.equal(model[k], last.model[k]) for k in model)


# --- A fault at one call ----------------------------------------------------------


class Calls:
    """The calls of ``os`` that count, and a fault at some of them.

    Args:
        at: The number of the call, from 1; 0 for none.
        fault: Called in its place as ``fault(real, *arguments)``.
        names: Of the calls that count.
        forever: Every later call fails, too, but those that remove.
    """

    def __init__(self, at=0, fault=None, *, names=CHANGING, forever=False):
        self.at, self.fault, self.names, self.forever = at, fault, names, forever
        self.made = []
        self._one_at_a_time = threading.Lock()

    def counts(self, name, arguments):
        return name != "open" or "close" in self.names or arguments[1] & WRITING

    def is_hit(self, name):
        number = len(self.made)
        later = self.forever and self.at and number > self.at
        return number == self.at or (later and name not in REMOVING)

    @property
    def hit(self):
        return 0 < self.at <= len(self.made)

    @contextlib.contextmanager
    def patched(self):
        with contextlib.ExitStack() as stack:
            for name in self.names:
                call = self._wrapped(name, getattr(os, name))
                stack.enter_context(mock.patch.object(os, name, call))
            yield self

    def _wrapped(self, name, real):
        def call(*arguments, **options):
            if not self.counts(name, arguments):
                return real(*arguments, **options)
            with self._one_at_a_time:
                self.made.append((name, *arguments))
                is_hit = self.is_hit(name)
            if is_hit:
                return self.fault(real, *arguments, **options)
            return real(*arguments, **options)

        return call


def kill(real=None, *arguments, **options):
    os.kill(os.getpid(), signal.SIGKILL)


def do_and_kill(real, *arguments, **options):
    """Kill after the call, or in the middle of a write."""
    try:
        if real.__name__ in ("write", "pwrite"):
            descriptor, view, *offset = arguments
            real(descriptor, view[: len(view) // 2], *offset)
        else:
            real(*arguments, **options)
    finally:
        kill()


def error(number):
    def fail(real, *arguments, **options):
        if real.__name__ == "close":  # the descriptor is gone all the same
            real(*arguments)
        raise OSError(number, os.strerror(number))

    return fail


def error_half_way(number):
    """As a full disk does: a part is written first."""

    def fail(real, *arguments, **options):
        if real.__name__ in ("write", "pwrite"):
            descriptor, view, *offset = arguments
            real(descriptor, view[: len(view) // 2], *offset)
        raise OSError(number, os.strerror(number))

    return fail


# --- Another process --------------------------------------------------------------


def start(function):
    """As ``forked``, without waiting: give the process id."""
    child = os.fork()
    if child == 0:
        signal.alarm(120)  # it ends, whatever it waits for
        os._exit(_status_of(function))
    return child


def ended(child):
    """Wait for a process; give its exit status, or less the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


class Waiting:
    """A process that waits where ``function(wait)`` calls that, until it is killed."""

    def __init__(self, function):
        reading, writing = os.pipe()

        def wait():
            os.write(writing, b".")
            time.sleep(600)

        self.process, self.is_killed = start(lambda: function(wait)), False
        os.close(writing)
        reached = os.read(reading, 1)
        os.close(reading)
        if not reached:
            raise AssertionError(f"it has ended: {ended(self.process)}")

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.kill()

    def kill(self):
        if not self.is_killed:
            self.is_killed = True
            os.kill(self.process, signal.SIGKILL)
            assert ended(self.process) == -signal.SIGKILL


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)
