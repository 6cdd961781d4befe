import importlib
import os
import selectors
import signal
import sys
import threading

import pytest
import torch
from torch import nn

import gradatim as gt
from gradatim import interrupt
from gradatim.interrupt import (
    LOADERS,
    FetchStopped,
    exiting_on,
    leave_on_signal,
    raising_after_imports,
    stop_on_ctrl_c,
)
from tests.bits import assert_same_bits, bits_of

X = torch.linspace(0, 1, 12).view(12, 1)


class CtrlC(gt.Callback):
    """Press it, once or twice, at a step."""

    def __init__(self, step, presses=1, hook="on_step_begin"):
        self.step, self.presses = step, presses
        setattr(self, hook, self.press)

    def press(self, trainer, *_):
        if trainer.num_steps == self.step:
            for _ in range(self.presses):
                os.kill(os.getpid(), signal.SIGINT)
                # Python calls its handler between two of its instructions.
                signal.getsignal(signal.SIGINT)


def trainer():
    torch.manual_seed(0)
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    return gt.Trainer(model, nn.MSELoss(), optimizer)


def fit(trainer, *callbacks, epochs=9):
    return trainer.fit(
        (X, 1 + 2 * X),
        epochs=epochs,
        batch_size=4,
        callbacks=callbacks,
        progress=False,
    )


def test_ctrl_c_ends_after_the_whole_step_with_the_history_kept():
    interrupted, whole = trainer(), trainer()
    history = fit(interrupted, CtrlC(4))  # before the fifth of three a epoch

    class Stop(gt.Callback):
        def on_step_end(self, trainer, loss):
            if trainer.num_steps == 5:
                trainer.stop("five")

    fit(whole, Stop())
    assert (history.stop_reason, history["epoch"]) == ("interrupted", [1])
    assert interrupted.num_steps == 5
    assert_same_bits(
        bits_of(interrupted.model, interrupted.optimizer),
        bits_of(whole.model, whole.optimizer),
    )


def test_training_can_go_on_after_ctrl_c():
    interrupted = trainer()
    fit(interrupted, CtrlC(4))
    history = fit(interrupted, epochs=2)
    assert history["epoch"] == [1, 2, 3] and history.stop_reason == "epochs"


def test_ctrl_c_at_an_epochs_end_keeps_that_epoch():
    history = fit(trainer(), CtrlC(6, hook="on_epoch_end"))
    assert history["epoch"] == [1, 2] and history.stop_reason == "interrupted"


def test_ctrl_c_puts_the_best_weights_back():
    interrupted = trainer()
    stopping = gt.EarlyStopping("train_loss")
    fit(interrupted, stopping, CtrlC(7))
    assert stopping.best_epoch == 2 and interrupted.num_steps == 8


def test_a_second_ctrl_c_ends_at_once():
    interrupted = trainer()
    with pytest.raises(KeyboardInterrupt):
        fit(interrupted, CtrlC(4, presses=2))
    assert interrupted.num_steps == 4
    assert interrupted.history.stop_reason == "interrupted"
    assert interrupted.history["epoch"] == [1]


def test_pythons_handler_is_back_afterwards():
    for callback in (CtrlC(4), gt.Callback()):
        fit(trainer(), callback, epochs=2)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
        signal.getsignal(signal.SIGINT)


def test_a_handler_of_the_programs_own_is_left_alone():
    heard = []
    signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    try:
        history = fit(trainer(), CtrlC(4), epochs=2)
        assert heard == [signal.SIGINT] and history.stop_reason == "epochs"
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def test_a_handler_set_meanwhile_stays():
    def own(number, frame):
        pass

    try:
        with stop_on_ctrl_c(trainer()):
            signal.signal(signal.SIGINT, own)
        assert signal.getsignal(signal.SIGINT) is own
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


class Asked:
    reason = None

    def request_stop(self, reason):
        self.reason = reason


def test_of_one_training_within_another_both_are_asked_to_stop():
    outer, inner = Asked(), Asked()
    with stop_on_ctrl_c(outer):
        with stop_on_ctrl_c(inner):
            signal.raise_signal(signal.SIGINT)
            assert outer.reason == inner.reason == "interrupted"
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_after_the_inner_training_the_outer_one_hears_again():
    outer, inner = Asked(), Asked()
    with stop_on_ctrl_c(outer):
        with stop_on_ctrl_c(inner):
            pass
        signal.raise_signal(signal.SIGINT)
        assert (outer.reason, inner.reason) == ("interrupted", None)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_thread_trains_without_touching_signals():
    ended = []
    thread = threading.Thread(target=lambda: ended.append(fit(trainer(), epochs=1)))
    thread.start()
    thread.join()
    assert ended[0]["epoch"] == [1]


SIGNALLED = """
import os, signal, threading
os.kill(os.getpid(), signal.{name})
signal.getsignal(signal.{name})
if {waits}:
    threading.Event().wait(60)
is_whole = True
"""
HANDLED = {
    "SIGTERM": (lambda: exiting_on("SIGTERM"), SystemExit),
    "SIGINT": (raising_after_imports, KeyboardInterrupt),
}


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Import a module that gets a signal halfway."""
    monkeypatch.syspath_prepend(tmp_path)

    def begin(name, *, waits=False):
        text = SIGNALLED.format(name=name, waits=waits)
        (tmp_path / "signalled_halfway.py").write_text(text)
        importlib.import_module("signalled_halfway")

    yield begin
    sys.modules.pop("signalled_halfway", None)


@pytest.mark.parametrize("name", HANDLED)
def test_a_signal_in_an_import_raises_after_it(name, module):
    handled, error = HANDLED[name]
    with handled():
        module(name)
        assert sys.modules["signalled_halfway"].is_whole
        with pytest.raises(error):
            threading.Event().wait(60)


@pytest.mark.parametrize("name", HANDLED)
def test_an_import_that_does_not_end_is_not_waited_for(name, module, monkeypatch):
    monkeypatch.setattr(interrupt, "LONGEST_IMPORT_S", 0)
    handled, error = HANDLED[name]
    with handled(), pytest.raises(error):
        module(name, waits=True)
    assert "signalled_halfway" not in sys.modules


def test_ctrl_c_in_a_command_stops_its_training_after_the_step():
    with raising_after_imports():
        history = fit(trainer(), CtrlC(4))
        assert history.stop_reason == "interrupted"
        with pytest.raises(KeyboardInterrupt):
            fit(trainer(), CtrlC(4, presses=2))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


# --- Fetches from other processes -----------------------------------------------------


def signalled(number):
    """Give a batch, then meet a signal in the fetch of the next one."""
    yield 0
    signal.raise_signal(number)
    yield 1


def test_a_signal_leaves_a_fetch_at_once():
    training = Asked()
    batches = leave_on_signal(signalled(signal.SIGINT))
    with stop_on_ctrl_c(training):
        assert next(batches) == 0
        with pytest.raises(FetchStopped) as stopped:
            next(batches)
        assert stopped.value.reason == training.reason == "interrupted"
        with pytest.raises(FetchStopped):  # nor is another one begun
            next(leave_on_signal(iter([0])))
    assert list(leave_on_signal(iter([0, 1]))) == [0, 1]


def test_a_fetch_that_must_not_be_left_is_waited_for():
    training = Asked()
    with stop_on_ctrl_c(training):
        batches = leave_on_signal(signalled(signal.SIGINT), at_once=False)
        assert list(batches) == [0, 1] and training.reason == "interrupted"


DEAD = "DataLoader worker (pid 7) is killed by signal: Terminated."


def of_a_dead_worker(error=None):
    raise error or RuntimeError(DEAD)
    yield


@pytest.mark.parametrize("error", [RuntimeError(DEAD), ConnectionResetError, EOFError])
@pytest.mark.parametrize("at_once", [True, False])
def test_a_worker_that_died_of_the_signal_is_no_error(at_once, error):
    with stop_on_ctrl_c(Asked()):
        batches = leave_on_signal(of_a_dead_worker(error), at_once=at_once)
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(FetchStopped):
            next(batches)


@pytest.mark.parametrize("error", [RuntimeError("mine"), KeyError("mine")])
def test_other_errors_of_a_fetch_pass(error):
    def failing():
        raise error
        yield

    with stop_on_ctrl_c(Asked()), pytest.raises(type(error), match="mine"):
        next(leave_on_signal(failing()))
    with pytest.raises(RuntimeError, match="DataLoader worker"):  # outside a training
        next(leave_on_signal(of_a_dead_worker()))


LOCKED = """
def fetch(lock, number, select):
    lock.acquire()
    signal.raise_signal(number)
    lock.release()
    return select(9.0)
"""


@pytest.fixture
def of_pytorch():
    """Put a handler of children in place that looks like PyTorch's."""

    def pytorchs(number, frame):
        raise RuntimeError("DataLoader worker")

    pytorchs.__module__ = LOADERS
    before = signal.signal(signal.SIGCHLD, pytorchs)
    yield pytorchs
    signal.signal(signal.SIGCHLD, before)


@pytest.mark.parametrize("module", ["multiprocessing.queues", "threading"])
def test_a_fetch_is_left_where_it_waits_and_not_where_it_holds_a_lock(
    module, of_pytorch
):
    """Nobody would let go of that lock, and the end of the loader wants it."""
    names = {"__name__": module, "signal": signal}
    exec(LOCKED, names)
    lock, reader = threading.Lock(), os.pipe()[0]

    def fetches(select):
        yield names["fetch"](lock, signal.SIGINT, select)

    with selectors.DefaultSelector() as selector, stop_on_ctrl_c(Asked()):
        selector.register(reader, selectors.EVENT_READ)
        with pytest.raises(FetchStopped):
            next(leave_on_signal(fetches(selector.select)))
        assert not lock.locked()
    assert signal.getsignal(signal.SIGCHLD) is of_pytorch


def test_a_fetch_that_gives_its_batch_before_it_may_be_left_is_done(of_pytorch):
    names = {"__name__": "threading", "signal": signal}
    exec(LOCKED, names)

    def fetches():
        yield names["fetch"](threading.Lock(), signal.SIGINT, lambda seconds: 7)

    with stop_on_ctrl_c(Asked()):
        batches = leave_on_signal(fetches())
        assert next(batches) == 7
        with pytest.raises(FetchStopped):
            next(batches)


def test_a_handler_of_children_that_is_not_pytorchs_stays():
    def own(number, frame):
        pass

    before = signal.signal(signal.SIGCHLD, own)
    try:
        with stop_on_ctrl_c(Asked()):
            signal.raise_signal(signal.SIGINT)
            assert signal.getsignal(signal.SIGCHLD) is own
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_pytorchs_handler_of_children_is_away_until_the_end(of_pytorch):
    with stop_on_ctrl_c(Asked()):
        assert signal.getsignal(signal.SIGCHLD) is of_pytorch
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGCHLD)
    assert signal.getsignal(signal.SIGCHLD) is of_pytorch


def test_where_pytorch_keeps_its_handler_of_children():
    from torch.utils.data._utils import signal_handling

    assert signal_handling.__name__ == LOADERS
