"""A signal to a whole group of processes, the workers of a loader among them."""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset

import gradatim as gt
from gradatim.data import Batches
from gradatim.run.checkpoint import Checkpoints
from gradatim.torch_private import forget_dead_workers
from tests.bits import assert_same_bits
from tests.faults.injection import X, Y, leftovers, parts
from tests.faults.processes import forked

STATUS = {signal.SIGTERM: 143, signal.SIGINT: 130}
NUM_ROWS = len(X)  # three batches of four an epoch
SPAWN = multiprocessing.get_context("spawn")  # what it shares, forked workers share too


def nothing(count):
    pass


class Rows(Dataset):
    """Calls ``act`` in the worker that reads a row, with the number of rows read."""

    acts_here = False
    """Whether that is in the process of the training, which reads rows for a digest."""

    def __init__(self, act=nothing):
        self.act, self.count = act, SPAWN.Value("i", 0)
        self.process = os.getpid()

    def __len__(self):
        return NUM_ROWS

    def __getitem__(self, row):
        if self.acts_here or os.getpid() != self.process:
            with self.count.get_lock():
                self.count.value += 1
                count = self.count.value
            self.act(count)
        return X[row], Y[row]


class Stream(IterableDataset):
    def __init__(self, act=nothing):
        self.rows = Rows(act)

    def __iter__(self):
        return map(self.rows.__getitem__, range(NUM_ROWS))


WORKERS = {"batch_size": 4, "num_workers": 2}
KINDS = {
    "batches": lambda act: Batches(Rows(act), seed=1, **WORKERS),
    "stream": lambda act: Batches(Stream(act), **WORKERS),
    "loader": lambda act: DataLoader(Rows(act), shuffle=True, **WORKERS),
    "persistent": lambda act: DataLoader(
        Rows(act), shuffle=True, persistent_workers=True, **WORKERS
    ),
    "spawned": lambda act: DataLoader(
        Rows(act),
        shuffle=True,
        persistent_workers=True,
        multiprocessing_context=SPAWN,
        **WORKERS,
    ),
}
FORKED = [kind for kind in KINDS if kind != "spawned"]


def loop(path, data, val=None, on_step=nothing):
    model, optimizer = parts()
    train_step = gt.make_train_step(model, nn.MSELoss(), optimizer)
    run = gt.Run(path, every_s=None)
    run.track(train_step)
    for batch in run.batches(data, epochs=3):
        on_step(run.step)
        train_step(*batch)
    return [model.state_dict(), optimizer.state_dict()]


class OnStep(gt.Callback):
    only_watches = True

    def __init__(self, on_step):
        self.on_step = on_step

    def on_step_begin(self, trainer, batch):
        self.on_step(trainer.num_steps)


def fit(path, data, val=None, on_step=nothing):
    model, optimizer = parts()
    trainer = gt.Trainer(
        model, nn.MSELoss(), optimizer, train_metrics={"mse": nn.functional.mse_loss}
    )
    history = trainer.fit(
        data,
        val,
        epochs=3,
        callbacks=[OnStep(on_step), gt.Run(path, every_s=None)],
        progress=False,
    )
    columns = [history[name] for name in ("train_loss", "train_mse")]
    return [model.state_dict(), optimizer.state_dict(), columns]


FORMS = {"loop": loop, "trainer": fit}


def send_to_all(number):
    os.killpg(os.getpgrp(), number)


@dataclass
class once:  # a function that a spawned worker can be given
    moment: int | None
    function: Callable[[], None]

    def __call__(self, count):
        if count == self.moment:
            self.function()


def heard(function):
    """Signals are ignored where the tests were begun in the background."""

    def call():
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        function()

    return call


def newest_step(run):
    found, damaged = Checkpoints(run).newest()
    assert damaged == []
    return found.header.step


def check_stop(folder, form, kind, number, *, row=None, step=None, val_row=None):
    """Stop a run where a row is read or an update is made, and go on with it."""
    train, run = FORMS[form], folder / "run"

    def data_of(act):
        return KINDS[kind](act)

    def val_of(act):
        return None if val_row is None else KINDS[kind](act)

    send = partial(send_to_all, number)

    def train_until_the_signal():
        data, val = data_of(once(row, send)), val_of(once(val_row, send))
        train(run, data, val, on_step=once(step, send))

    def train_whole(path):
        return train(path, data_of(nothing), val_of(nothing))

    assert forked(heard(train_until_the_signal), timeout_s=60) == STATUS[number]
    assert leftovers(run) == []
    stopped_at = newest_step(run)
    end = train_whole(run)
    # Of persistent workers the run says that it is not exact.
    if not getattr(data_of(nothing), "persistent_workers", False):
        assert_same_bits(end, train_whole(folder / "whole"))
    assert newest_step(run) == 9
    return stopped_at


@pytest.mark.parametrize(
    "form, kind, number",
    [
        ("trainer", "batches", signal.SIGTERM),
        ("loop", "loader", signal.SIGTERM),
        ("trainer", "loader", signal.SIGINT),
    ],
)
def test_signal_in_an_update_ends_after_it(form, kind, number, folder):
    assert check_stop(folder, form, kind, number, step=4) == 5


@pytest.mark.parametrize(
    "form, kind, number",
    [
        ("trainer", "loader", signal.SIGTERM),
        ("loop", "loader", signal.SIGTERM),
        ("loop", "stream", signal.SIGINT),
    ],
)
def test_signal_in_the_first_fetch_of_an_epoch_draws_its_order_again(
    form, kind, number, folder
):
    reads = 2 if kind == "stream" else 1  # both workers read all rows of a stream
    assert check_stop(folder, form, kind, number, row=reads * NUM_ROWS + 1) == 3


def test_signal_in_a_validation_lets_it_begin_again(folder):
    moment = {"val_row": NUM_ROWS + 2}
    assert check_stop(folder, "trainer", "loader", signal.SIGTERM, **moment) == 6


@pytest.mark.slow
@pytest.mark.parametrize("row", [1, 7, 13, 18, 24, 36])
@pytest.mark.parametrize("number", STATUS)
@pytest.mark.parametrize("kind", FORKED)
@pytest.mark.parametrize("form", FORMS)
def test_signal_from_any_row_that_is_read(form, kind, number, row, folder):
    check_stop(folder, form, kind, number, row=row)


@pytest.mark.slow
@pytest.mark.parametrize("step", [0, 2, 3, 8])
@pytest.mark.parametrize("number", STATUS)
@pytest.mark.parametrize("kind", FORKED)
@pytest.mark.parametrize("form", FORMS)
def test_signal_in_any_update(form, kind, number, step, folder):
    assert check_stop(folder, form, kind, number, step=step) == step + 1


@pytest.mark.slow
@pytest.mark.parametrize("val_row", [1, 12, 20])
@pytest.mark.parametrize("number", STATUS)
@pytest.mark.parametrize("kind", FORKED)
def test_signal_from_any_row_that_is_validated(kind, number, val_row, folder):
    check_stop(folder, "trainer", kind, number, val_row=val_row)


@pytest.mark.slow
@pytest.mark.parametrize(
    "form, number, moment",
    [
        ("trainer", signal.SIGINT, {"row": 13}),
        ("loop", signal.SIGINT, {"step": 3}),
        ("trainer", signal.SIGTERM, {"step": 3}),
        ("loop", signal.SIGTERM, {"row": 13}),
    ],
)
def test_signal_to_workers_that_were_spawned(form, number, moment, folder):
    check_stop(folder, form, "spawned", number, **moment)


# --- Workers that die -----------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_a_worker_that_dies_before_the_signal_comes_is_of_that_signal(form, folder):
    """Some programs send it to one process after the other."""
    run, of_training = folder / "run", []

    def die_and_signal_later():
        if os.fork() == 0:
            time.sleep(0.05)
            os.kill(of_training[0], signal.SIGTERM)
            os._exit(0)
        os.kill(os.getpid(), signal.SIGKILL)

    def train_until_the_signal():
        of_training.append(os.getpid())
        act = once(NUM_ROWS + 1, die_and_signal_later)
        FORMS[form](run, KINDS["loader"](act))

    assert forked(heard(train_until_the_signal), timeout_s=60) == 143
    assert newest_step(run) in (3, 4)  # the other worker may have sent its batch


def die():
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("form", FORMS)
def test_a_worker_that_dies_by_itself_is_an_error(form, folder):
    def train():
        with pytest.raises(RuntimeError, match=r"^DataLoader worker"):
            FORMS[form](folder / "run", KINDS["batches"](once(NUM_ROWS + 1, die)))

    assert forked(heard(train), timeout_s=60) == 0


@pytest.mark.parametrize("left", [False, True])
def test_locks_of_a_killed_worker_are_not_waited_for(left):
    """PyTorch's own end of an iteration would wait for ever."""

    def end():
        iterator = iter(KINDS["loader"](nothing))
        assert iterator._workers_done_event._cond.acquire()  # never let go of
        if not left:
            os.kill(iterator._workers[0].pid, signal.SIGKILL)
            iterator._workers[0].join()
        workers = iterator._workers
        try:
            leave(iterator)
        except KeyError as error:
            forget_dead_workers(error if left else None)
        assert not any(worker.is_alive() for worker in workers)
        del iterator

    assert forked(heard(end), timeout_s=60) == 0


def leave(self):
    """Leave an iteration as a signal does in one of its methods."""
    raise KeyError


# --- Afterwards -----------------------------------------------------------------------


def test_the_handler_of_children_is_back_and_the_loader_goes_on(folder):
    def train():
        loader = KINDS["persistent"](nothing)
        model, optimizer = parts()
        trainer = gt.Trainer(model, nn.MSELoss(), optimizer)
        options = {"epochs": 2, "progress": False}
        trainer.fit(loader, **options)
        handler = signal.getsignal(signal.SIGCHLD)
        assert "signal_handling" in handler.__module__
        workers = multiprocessing.active_children()
        assert len(workers) == 2

        class Press(gt.Callback):
            def on_step_begin(self, trainer, batch):
                if trainer.num_steps == 7:
                    os.kill(os.getpid(), signal.SIGINT)
                    signal.getsignal(signal.SIGINT)
                    assert signal.getsignal(signal.SIGCHLD) is not handler
                    for worker in workers:
                        os.kill(worker.pid, signal.SIGKILL)
                        worker.join()

        history = trainer.fit(loader, callbacks=[Press()], **options)
        assert history.stop_reason == "interrupted" and trainer.num_steps == 8
        assert signal.getsignal(signal.SIGCHLD) is handler
        assert trainer.fit(loader, **options).stop_reason == "epochs"
        assert trainer.num_steps == 14

    assert forked(heard(train), timeout_s=60) == 0


def test_a_fetch_in_this_process_is_not_left(folder):
    """What it draws would count, and its batch would be lost."""
    run = folder / "run"

    class Signals(Rows):
        acts_here = True

        def __getitem__(self, row):
            item = super().__getitem__(row)
            return item[0] + torch.rand(()), item[1]

    def data(act):
        return Batches(Signals(act), seed=1, batch_size=4)

    def train_until_the_signal():
        moment = 2 * NUM_ROWS + NUM_ROWS + 2  # the digest reads each row twice
        send = once(moment, lambda: os.kill(os.getpid(), signal.SIGTERM))
        fit(run, data(send))

    assert forked(heard(train_until_the_signal), timeout_s=60) == 143
    assert newest_step(run) == 4
    assert_same_bits(fit(run, data(nothing)), fit(folder / "whole", data(nothing)))
