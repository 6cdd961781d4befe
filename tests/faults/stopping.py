"""Trainings that are stopped at a moment and gone on with, each in a forked process.

Thousands of processes are forked for this. So the checks run in a small process: pytest
itself, with all that the suite has imported, takes ten times as long to fork.
"""

import shutil
import signal
import warnings
from functools import cache

from tests.bits import assert_same_bits
from tests.faults.processes import forked
from tests.faults.scenarios import (
    EVERY_STEP,
    TRAININGS,
    WITH_WORKERS,
    best_of,
    signal_at,
)
from tests.warm import begin

KILLED_ONE_IN = 4
"""Of so many moments of a training, one is a kill and the others are copies."""


def begin_strictly():
    """Begin a process as a test begins."""
    begin()
    warnings.simplefilter("error")


@cache
def whole(name):
    """What a training without a run ends with, and the moments that it passes."""
    moments = []
    end = TRAININGS[name](None, lambda *now: moments.append(now))
    return end, moments


def moments_of(name):
    moments = whole(name)[1]
    return moments[::5] if name in WITH_WORKERS else moments


def stopped(name, path, moment, number=signal.SIGKILL, *, seed=0, run=EVERY_STEP):
    """Train in a new process that is sent a signal; give its exit status."""
    return forked(lambda: TRAININGS[name](path, signal_at(moment, number), seed, **run))


def check_goes_on(name, path, best, *, run=EVERY_STEP):
    """Train on in a new process, of another seed, to the same end."""
    end = whole(name)[0]

    def go_on():
        assert_same_bits(TRAININGS[name](path, seed=99, **run), end)
        assert best_of(path) == best

    assert forked(go_on) == 0


def best_of_whole(name, folder):
    """The best step of the run that is never stopped, which ends as without a run."""
    assert_same_bits(TRAININGS[name](folder / "whole", **EVERY_STEP), whole(name)[0])
    return best_of(folder / "whole")


def check_each_moment(
    name, folder, number=signal.SIGKILL, status=-signal.SIGKILL, run=EVERY_STEP
):
    """Stop a new run at each moment, and go on with it.

    A kill leaves on the disk what stands there. So three kills in four are spared: one
    training copies its folder at their moments.
    """
    best = best_of_whole(name, folder)
    moments = dict(enumerate(moments_of(name)))
    if number == signal.SIGKILL:
        copies = {n: moment for n, moment in moments.items() if n % KILLED_ONE_IN}
        assert forked(lambda: _copy_at(name, folder, copies, run)) == 0
    else:
        # At the end the loop is over, and with it its signals.
        copies, moments = {}, {n: m for n, m in moments.items() if m[0] != "end"}
    for index, moment in moments.items():
        path = folder / str(index)
        if index not in copies:
            assert stopped(name, path, moment, number, run=run) == status
        check_goes_on(name, path, best, run=run)


def _copy_at(name, folder, copies, run):
    """Train to the end, and copy the run's folder at moments, each under its number."""
    path, numbers = folder / "copied", {moment: n for n, moment in copies.items()}

    def at(*now):
        if (number := numbers.pop(now, None)) is not None:
            shutil.copytree(path, folder / str(number))

    TRAININGS[name](path, at, **run)
    assert not numbers


def check_one_after_the_other(name, folder, moments=None):
    """Stop one run at one moment after the other, and go on with it at the end."""
    best = best_of_whole(name, folder)
    for seed, moment in enumerate(moments or moments_of(name)):
        status = stopped(name, folder / "run", moment, seed=seed)
        assert status == -signal.SIGKILL
    check_goes_on(name, folder / "run", best)
