"""Threads, forks, and many trainings in one process: each as if it were alone."""

import gc
import os
import signal
import threading
import warnings

import pandas as pd
import pytest
import torch
from torch import nn

import gradatim as gt
from gradatim.cli.main import run as command
from gradatim.interrupt import exit_on_sigterm
from tests.bits import assert_same_bits
from tests.faults.processes import forked

HOOK_TABLES = [
    (torch.nn.modules.module, name)
    for name in vars(torch.nn.modules.module)
    if name.startswith("_global") and name.endswith("hooks")
]


class Network(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, 1))


def train(seed, folder=None, *, doctor=False, epochs=4):
    """Train without the global generator; give the weights."""
    generator = torch.Generator().manual_seed(seed)
    model = Network()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / 3)
    x = torch.randn(96, 3, generator=generator)
    y = x.sum(1, keepdim=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    callbacks = [gt.EarlyStopping("val_loss", patience=100)]
    if folder is not None:
        callbacks.append(gt.Run(folder, every_s=None, every_steps=5))
    if doctor:
        callbacks.append(gt.Doctor())
    gt.Trainer(model, nn.MSELoss(), optimizer).fit(
        (x[:64], y[:64]),
        val=(x[64:], y[64:]),
        batch_size=16,
        epochs=epochs,
        seed=seed,
        callbacks=callbacks,
        progress=False,
    )
    return {name: value.clone() for name, value in model.state_dict().items()}


@pytest.mark.parametrize(("saves", "doctor"), [(False, False), (True, True)])
def test_trainers_in_threads_end_as_each_does_alone(saves, doctor, tmp_path):
    alone = [train(seed) for seed in range(3)]
    found = {}

    def work(seed):
        folder = tmp_path / str(seed) if saves else None
        found[seed] = train(seed, folder, doctor=doctor)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed in range(3):
        assert_same_bits(found[seed], alone[seed])


def test_a_fork_after_training_trains_as_its_parent_does(tmp_path):
    first = train(0, tmp_path / "parent", doctor=True)

    def child():
        assert_same_bits(train(0, tmp_path / "child", doctor=True), first)
        # The run of the parent has ended: anybody may read it.
        loaded = gt.load(tmp_path / "parent", model=Network)
        assert_same_bits(dict(loaded.state_dict()), first)

    assert forked(child) == 0
    assert_same_bits(train(0, tmp_path / "again", doctor=True), first)


def test_a_fork_in_training_leaves_the_parents_run_alone(tmp_path):
    """The child ends at once, as one that a library of the user's has started."""
    status = []

    class Forking(gt.Callback):
        def on_step_begin(self, trainer, batch):
            if trainer.num_steps == 3:
                status.append(forked(lambda: None))

    model = Network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    x = torch.ones(32, 3)
    gt.Trainer(model, nn.MSELoss(), optimizer).fit(
        (x, x[:, :1]),
        batch_size=4,
        epochs=2,
        callbacks=[Forking(), gt.Run(tmp_path / "run", every_s=None, every_steps=1)],
        progress=False,
    )
    assert status == [0]
    assert gt.load(tmp_path / "run", model=Network) is not None


# --- Nothing grows --------------------------------------------------------------------


def of_process():
    """What every training must leave as it was."""
    return {
        "descriptors": len(os.listdir("/proc/self/fd")),
        "threads": threading.active_count(),
        "handlers": [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)],
        "hooks": {name: len(getattr(where, name)) for where, name in HOOK_TABLES},
        "filters": len(warnings.filters),
        "computing threads": torch.get_num_threads(),
        "grad mode": torch.is_grad_enabled(),
    }


def num_objects():
    gc.collect()
    return len(gc.get_objects())


def check_nothing_grows(fit, count):
    for number in range(5):
        fit(number)
    before, objects = of_process(), num_objects()
    for number in range(5, count):
        fit(number)
        assert of_process() == before
    # Some hundred may be what Python and PyTorch keep for the next time.
    assert num_objects() < objects + 500


def table_fits(tmp_path):
    rows = pd.DataFrame({"a": range(60), "b": [i % 7 for i in range(60)]})
    rows["y"] = rows.a * 0.5 + rows.b
    rows.to_csv(tmp_path / "t.csv", index=False)

    def fit(number):
        path = tmp_path / f"table-{number}"
        arguments = ["--target", "y", "--epochs", "1", "--hidden", "4", "--run"]
        assert command(["fit", str(tmp_path / "t.csv"), *arguments, str(path)]) == 0

    return fit


def trainer_fits(tmp_path):
    return lambda number: train(number % 3, tmp_path / f"{number}", doctor=True)


FITS = {"trainer": trainer_fits, "table": table_fits}


@pytest.mark.parametrize("kind", FITS)
def test_twelve_fits_leave_a_process_as_it_was(kind, tmp_path, unchecked):
    check_nothing_grows(FITS[kind](tmp_path), 12)


@pytest.mark.slow
@pytest.mark.parametrize("kind", FITS)
def test_a_thousand_fits_leave_a_process_as_it_was(kind, tmp_path, unchecked):
    check_nothing_grows(FITS[kind](tmp_path), 1_000)


# --- Handlers of signals --------------------------------------------------------------


class Raising(gt.Callback):
    def __init__(self, where, error):
        setattr(self, where, lambda *_, **__: (_ for _ in ()).throw(error))


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("where", ["on_fit_begin", "on_step_begin", "on_epoch_end"])
def test_handlers_are_put_back_after_an_error_anywhere(where, error, tmp_path):
    before = of_process()["handlers"]
    model = Network()
    trainer = gt.Trainer(model, nn.MSELoss(), torch.optim.SGD(model.parameters(), 0.1))
    x = torch.ones(8, 3)
    callbacks = [gt.Run(tmp_path / "run"), Raising(where, error)]
    options = {"callbacks": callbacks, "progress": False}
    with pytest.raises(error):
        trainer.fit((x, x[:, :1]), batch_size=4, epochs=1, **options)
    assert of_process()["handlers"] == before


@pytest.mark.parametrize("handler", [signal.SIG_IGN, lambda *_: None])
def test_a_handler_of_the_users_own_stays(handler):
    before = signal.signal(signal.SIGTERM, handler)
    try:
        assert command(["fit", "--epochs", "1", "--run", "/dev/null"]) != 0
        assert signal.getsignal(signal.SIGTERM) is handler
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("arguments", [["--help"], ["fit", "no.csv"], ["learn", "-h"]])
def test_a_command_puts_the_handlers_back(arguments):
    before = of_process()["handlers"]
    command(arguments)
    assert of_process()["handlers"] == before
    assert exit_on_sigterm not in before


def test_a_command_runs_in_a_thread():
    codes = []
    thread = threading.Thread(target=lambda: codes.append(command(["--help"])))
    thread.start()
    thread.join()
    assert codes == [0]
