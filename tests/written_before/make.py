"""Write the files of this folder: runs that later versions must load and go on with.

They were written at commit 7e9d2fa, and are not written again: a later version that
writes other files must still read these. It was called in the checkout as

    python -m tests.written_before.make

What it writes, all on one thread:
- ``trainer/``: the run of a trainer that got SIGTERM, stopped after update 5 of 12;
- ``loop/``: the run of a loop of one's own, stopped in the same place;
- ``table/stopped/``: the run of ``gradatim fit houses.csv``, stopped after update 6;
- ``table/finished/``: the same run, never stopped, with its ``model/``;
- ``table/predictions.csv``: what that model answers to ``table/new.csv``.
"""

import contextlib
import shutil
import signal
from pathlib import Path

import torch
from torch import nn

import gradatim as gt
from tests.cli.process import start

FOLDER = Path(__file__).parent
FIT = ["fit", "houses.csv", "--target", "price", "--epochs", "3"]
FIT += ["--hidden", "4", "--batch-size", "16", "--threads", "1"]

# Goes before the command, and sends it SIGTERM in the middle of its second epoch.
TERMINATED = """
import signal
import gradatim as gt
on_step_end = gt.Run.on_step_end
def on_step_end_and_signal(run, trainer, loss):
    if trainer.num_steps == 5:
        signal.raise_signal(signal.SIGTERM)
    on_step_end(run, trainer, loss)
gt.Run.on_step_end = on_step_end_and_signal
"""

# Eighths of integers: every machine has the same bits, and so the same digest.
X = torch.arange(36.0).reshape(12, 3) / 8 - 2
Y = (X[:, :1] * X[:, 1:2]) / 4


class TerminateAfter(gt.Callback):
    """Sends SIGTERM after an update; the training ends after the next one."""

    only_watches = True

    def __init__(self, num_steps):
        self.num_steps = num_steps

    def on_step_end(self, trainer, loss):
        if trainer.num_steps == self.num_steps:
            signal.raise_signal(signal.SIGTERM)


def make_model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 1))


def make_parts():
    model = make_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.9)
    return model, optimizer, scheduler


def train_by_trainer(path, *, terminate_after=None):
    """Train 4 epochs of 3 updates, or go on with the run; give model and history."""
    model, optimizer, scheduler = make_parts()
    callbacks = [
        gt.EarlyStopping(patience=9),
        gt.LRScheduler(scheduler),
        gt.Run(path, every_s=None, keep_last=1, config={"hidden": 4}),
        TerminateAfter(terminate_after),
    ]
    trainer = gt.Trainer(model, nn.MSELoss(), optimizer, max_norm=1.0)
    options = {"epochs": 4, "batch_size": 4, "seed": 1, "progress": False}
    history = trainer.fit((X, Y), (X[:4], Y[:4]), callbacks=callbacks, **options)
    return model, history


def train_by_loop(path, *, terminate_after=None):
    """Train as long in a loop of one's own."""
    model, optimizer, scheduler = make_parts()
    train_step = gt.make_train_step(model, nn.MSELoss(), optimizer)
    run = gt.Run(path, every_s=None, keep_last=1, config={"hidden": 4})
    run.track(model=model, optimizer=optimizer, scheduler=scheduler)
    for x, y in run.batches((X, Y), batch_size=4, epochs=4, seed=1):
        run.log(loss=train_step(x, y))
        if run.epoch_ends:
            scheduler.step()
        if run.step + 1 == terminate_after:
            signal.raise_signal(signal.SIGTERM)
    return model, run.history


TRAININGS = {"trainer": (train_by_trainer, 4), "loop": (train_by_loop, 5)}
"""Each with the update at which SIGTERM is sent, so that both stop after update 5."""


def call(*arguments, before=""):
    """Call ``gradatim`` in ``table/``; give its exit code."""
    process = start(*arguments, cwd=FOLDER / "table", before=before)
    process.communicate()
    return process.returncode


def houses():
    """Give the lines of a table that no random generator had a part in."""
    lines = ["area,rooms,kind,built,price"]
    for row in range(64):
        area, rooms = 30 + row * 37 % 150, 1 + row * 5 % 7
        kind = ("flat", "house", "hut")[row * 11 % 3]
        price = 3 * area + 20 * rooms + 90 * (kind == "house") + row * 13 % 17
        built = f"20{10 + row * 7 % 15}-0{1 + row % 9}-{10 + row % 19}"
        lines.append(f"{area if row % 10 else ''},{rooms},{kind},{built},{price}")
    return lines


def main():
    torch.set_num_threads(1)
    for name, (training, terminate_after) in TRAININGS.items():
        shutil.rmtree(FOLDER / name, ignore_errors=True)
        with contextlib.suppress(SystemExit):
            training(FOLDER / name, terminate_after=terminate_after)
            raise RuntimeError(f"{name} was not stopped.")
    table = FOLDER / "table"
    shutil.rmtree(table, ignore_errors=True)
    table.mkdir()
    header, *rows = houses()
    (table / "houses.csv").write_text("\n".join([header, *rows, ""]))
    new = [*rows[:3], "55.5,3,castle,2031-01-31,", ",2,hut,,"]
    (table / "new.csv").write_text("\n".join([header, *new, ""]))
    assert call(*FIT, "--run", "stopped", before=TERMINATED) == 143
    assert call(*FIT, "--run", "finished") == 0
    answers = ["-o", "predictions.csv", "--run", "finished"]
    assert call("predict", "new.csv", *answers) == 0
    for lock in FOLDER.rglob("lock"):  # it names the process that wrote
        lock.unlink()


if __name__ == "__main__":
    main()
