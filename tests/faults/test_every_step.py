"""Stopped at any step, a run goes on in a new process and ends with the same bits."""

import signal
import subprocess
import sys
import time
from unittest import mock

import pytest
import torch
from torch import nn

import gradatim as gt
from tests.bits import assert_same_bits
from tests.faults.processes import forked
from tests.faults.scenarios import (
    EVERY_STEP,
    TRAININGS,
    WITH_WORKERS,
    X,
    nothing,
    seed_all,
    signal_at,
)
from tests.faults.stopping import (
    check_each_moment,
    check_goes_on,
    check_one_after_the_other,
    moments_of,
    stopped,
    whole,
)
from tests.parity.test_optimizers import CASES, Embedded, Network

# Annotations that are checked draw from Python's generator.
pytestmark = pytest.mark.usefixtures("unchecked")

SEVERAL = [
    "dropout_adamw_one_cycle",
    "batch_norm_momentum_early_stopping",
    "plateau_microbatches",
    "loader_shuffled_by_the_global_generator",
    "loader_with_its_own_generator",
    "stream_with_a_partial_batch",
    "loop_with_validation",
    "loop_that_adds_gradients_up",
    "loop_over_a_loader",
]


@pytest.mark.parametrize("name", TRAININGS)
def test_killed_at_every_step_it_ends_with_the_same_bits(name, folder, warm):
    warm(check_each_moment, name, folder)


@pytest.mark.parametrize("name", SEVERAL)
def test_killed_again_after_each_step_it_ends_with_the_same_bits(name, folder, warm):
    warm(check_one_after_the_other, name, folder)


@pytest.mark.parametrize("name", WITH_WORKERS)
def test_killed_twice_in_an_epoch_with_workers(name, folder, warm):
    warm(check_one_after_the_other, name, folder, [("step", 5), ("step", 6)])


@pytest.mark.parametrize("name", [*SEVERAL[:3], *SEVERAL[-3:]])
def test_killed_between_two_checkpoints_it_does_the_steps_again(name, folder, warm):
    run = {"every_s": None, "every_steps": 3}
    warm(check_each_moment, name, folder, signal.SIGKILL, -signal.SIGKILL, run)


@pytest.mark.parametrize("name", [SEVERAL[1], SEVERAL[-3], SEVERAL[-2]])
@pytest.mark.parametrize(
    "number, status", [(signal.SIGTERM, 143), (signal.SIGINT, 130)]
)
def test_stopped_by_a_signal_it_saves_the_step_at_hand(
    name, number, status, folder, warm
):
    run = {"every_s": None}  # nothing but what the signal has it save
    warm(check_each_moment, name, folder, number, status, run)


def test_what_fails_in_the_small_process_fails_here(folder, warm):
    name = "dropout_adamw_one_cycle"
    with pytest.raises(AssertionError):
        warm(check_each_moment, name, folder, signal.SIGKILL, 0)
    with pytest.raises(AssertionError):
        warm(check_goes_on, name, folder / "new", 99)


def test_trainings_are_what_their_names_say():
    end = whole("batch_norm_momentum_early_stopping")[0]
    (stopping,) = end["callbacks"]
    assert "has not improved" in end["stop_reason"]
    assert (stopping["best_epoch"], end["epoch"]) == (2, 3)
    assert whole("early_stopping_that_waits")[0]["callbacks"][0]["best_epoch"] == 1
    assert whole("nan_batch_left_out")[0]["skipped"] == 3
    lrs = whole("plateau_microbatches")[0]["history"]["lr"]
    assert lrs[0] > lrs[-1]
    assert len(moments_of("dropout_adamw_one_cycle")) == 13 + 3
    assert len(moments_of("loop_with_validation")) == 12 + 1
    assert len(WITH_WORKERS) == 4
    for name in TRAININGS:
        with pytest.raises(AssertionError):
            assert_same_bits(TRAININGS[name](None, seed=1), whole(name)[0])


@pytest.mark.parametrize(
    "broken, name",
    [
        ("gradatim.run.stateful.set_rng_state", "dropout_adamw_one_cycle"),
        ("gradatim.callbacks.LRScheduler.load_state_dict", "dropout_adamw_one_cycle"),
        ("gradatim.store.lines.LinesFile.go_on_at", "loop_with_validation"),
        ("torch.optim.AdamW.load_state_dict", "loop_with_validation"),
        (
            "gradatim.run.stateful.Gradients.load_state_dict",
            "loop_that_adds_gradients_up",
        ),
        (
            "gradatim.data.sources.loader.LoaderSource.load_state_dict",
            "weighted_sampler",
        ),
    ],
)
def test_what_is_not_put_back_is_noticed(broken, name, folder, capfd):
    path = folder / "run"
    stopped(name, path, ("step", 7))
    result = [] if broken.endswith("go_on_at") else None
    with mock.patch(broken, return_value=result), pytest.raises(AssertionError):
        check_goes_on(name, path, None)
    assert "AssertionError: it[" in capfd.readouterr().err


def test_process_that_hangs_is_an_error():
    with pytest.raises(TimeoutError, match=r"longer than 0\.1 s"):
        forked(lambda: time.sleep(600), timeout_s=0.1)


@pytest.mark.parametrize(
    "raised, status",
    [(SystemExit(3), 3), (SystemExit(), 0), (KeyboardInterrupt, 130), (KeyError, 1)],
)
def test_process_gives_its_exit_status(raised, status, capfd):
    def function():
        raise raised

    assert forked(function) == status
    assert forked(nothing) == 0


# --- Every optimizer of PyTorch's -----------------------------------------------------


def optimized(optim_cls, case, path, at=nothing, seed=0):
    """Train with an optimizer of PyTorch's own list, two epochs of three steps."""
    seed_all(seed)
    model = Embedded() if optim_cls is torch.optim.SparseAdam else Network()
    optimizer = optim_cls(model.parameters(), **case.kwargs)
    train_step = gt.make_train_step(model, nn.MSELoss(), optimizer)
    run = gt.Run(path, **EVERY_STEP)
    run.track(model=model, optimizer=optimizer)
    x = 3 * X[:12]
    for batch in run.batches((x, x[:, :1]), epochs=2, batch_size=4):
        at("step", run.step)
        train_step(*batch)
    return [model.state_dict(), optimizer.state_dict()]


@pytest.mark.parametrize("optim_cls, case", CASES)
def test_every_optimizer_goes_on(optim_cls, case, folder):
    end = optimized(optim_cls, case, folder / "whole")

    def killed():
        optimized(optim_cls, case, folder / "run", signal_at(("step", 4), 9))

    def go_on():
        ours = optimized(optim_cls, case, folder / "run", seed=99)
        assert_same_bits(ours, end)

    assert forked(killed) == -signal.SIGKILL
    assert forked(go_on) == 0


# --- In processes of their own --------------------------------------------------------


def executed(*arguments):
    """Do a training in a new interpreter; give its exit status."""
    command = [sys.executable, "-m", "tests.faults.scenarios", *map(str, arguments)]
    return subprocess.run(command).returncode


def check_executed(name, folder, moments):
    end = whole(name)[0]
    for number, moment in enumerate(moments):
        path, file = folder / str(number), folder / "end.pt"
        assert executed(name, path, file, *moment) == -signal.SIGKILL
        assert not file.exists()
        assert executed(name, path, file) == 0
        assert_same_bits(torch.load(file, weights_only=False), end)
        file.unlink()


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAININGS)
def test_killed_in_a_new_interpreter(name, folder):
    moments = whole(name)[1]
    check_executed(name, folder, [moments[0], moments[6], moments[-1]])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dropout_adamw_one_cycle", "loop_with_validation"])
def test_killed_at_every_step_in_a_new_interpreter(name, folder):
    check_executed(name, folder, whole(name)[1])
