"""The programs of docs/recipes.md, each as a run: killed seven times, the same bits.

Where a program trains without one, its fits are given a run. Optuna's is left out: what
a trial has reported is not in the run of a fit, so that others are pruned.
"""

import functools
import itertools
import os
import random
import signal
import threading
import time

import pytest
import torch

import gradatim as gt
from tests.bits import assert_same_bits
from tests.faults.processes import forked
from tests.recipes.page import programs, run

NUM_KILLS = 7
EVERY_STEPS = 3
"""Updates between checkpoints: not a divisor of the updates in an epoch."""

RECIPES = {
    program.title: program
    for program in programs("recipes.md")
    if program.title != "Optuna, with pruning"
}


def as_run(recipe, result):
    """Run a program in the folder at hand, and write what its trainings end with."""
    fit, a_run, found, numbers = gt.Trainer.fit, gt.Run, [], itertools.count()
    make_run = functools.partial(a_run, every_s=None, every_steps=EVERY_STEPS)

    def fit_as_run(trainer, *data, callbacks=(), **options):
        others = [callback for callback in callbacks if not isinstance(callback, a_run)]
        own = [*others, make_run(f"runs/{next(numbers)}")]
        history = fit(trainer, *data, callbacks=own, **options)
        kept = {k: v for k, v in history.items() if not k.endswith("_s")}
        found.append((trainer.model.state_dict(), kept))
        return history

    gt.Trainer.fit = fit_as_run
    gt.Run = lambda path, **options: make_run(path)
    names = run(recipe)
    if not found:  # a loop of one's own
        found = [names[part].state_dict() for part in ("generator", "critic")]
    torch.save(found, result)


def in_a_process(recipe, folder, *, kill_after_s=None):
    """Give the exit status, and the seconds that it took."""

    def begin():
        os.chdir(folder)
        kill = functools.partial(os.kill, os.getpid(), signal.SIGKILL)
        if kill_after_s is not None:
            threading.Timer(kill_after_s, kill).start()
        as_run(recipe, folder / "result.pt")
        if kill_after_s is not None:
            kill()  # it was quicker than it is wont to be

    start = time.monotonic()
    return forked(begin), time.monotonic() - start


@pytest.mark.slow
@pytest.mark.parametrize("title", RECIPES)
def test_a_recipe_that_is_killed_ends_with_the_same_bits(title, tmp_path, monkeypatch):
    compile_eagerly = functools.partial(torch.compile, backend="eager")
    monkeypatch.setattr(torch, "compile", compile_eagerly)
    folders = [tmp_path / name for name in ("warm", "whole", "killed")]
    for folder in folders:
        folder.mkdir()
    warm, whole, killed = folders
    monkeypatch.chdir(warm)
    run(RECIPES[title])  # what it imports is in the processes that are forked, then
    status, seconds = in_a_process(RECIPES[title], whole)
    assert status == 0
    draw, steps = random.Random(0), set()
    for _ in range(NUM_KILLS):
        delay = draw.uniform(0.1, 0.6) * seconds
        status, _ = in_a_process(RECIPES[title], killed, kill_after_s=delay)
        assert status == -signal.SIGKILL
        steps.update(path.as_posix() for path in killed.glob("runs/*/checkpoints/*"))
        (killed / "result.pt").unlink(missing_ok=True)
    assert len(steps) > 1, "it was always killed before its first checkpoint"
    assert in_a_process(RECIPES[title], killed)[0] == 0
    ours, expected = (torch.load(folder / "result.pt") for folder in (killed, whole))
    assert_same_bits(ours, expected)
