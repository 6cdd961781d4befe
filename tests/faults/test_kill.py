"""SIGKILL at every call that changes the disk, and at any instant."""

import ctypes
import itertools
import os
import random
import re
import shutil
import signal
import subprocess
import tempfile
import time
from functools import cache
from pathlib import Path

import pytest
import torch

from gradatim.run.checkpoint import Checkpoints
from tests.bits import assert_same_bits
from tests.faults.injection import (
    CHANGING,
    FORMS,
    Calls,
    check_ended,
    checkpoints_of,
    do_and_kill,
    ended,
    kill,
    leftovers,
    names_in,
    save,
    start,
    state,
)
from tests.faults.processes import forked


@pytest.fixture(params=FORMS)
def train(request):
    return FORMS[request.param]


@pytest.fixture
def whole(train):
    return whole_run(train)


# --- Called in the warm process -------------------------------------------------------


@cache
def whole_run(train):
    """What the uninterrupted run ends with, its files, and the calls it makes."""
    with tempfile.TemporaryDirectory() as folder:
        train(Path(folder) / "first")  # PyTorch makes folders of its own, once
        run = Path(folder) / "run"
        with Calls().patched() as calls:
            bits = train(run)
        return bits, names_in(run), calls.made


def step_committed(calls):
    """The step of the last checkpoint that was put in its place, if any."""
    steps = [
        int(found[1])
        for name, *arguments in calls
        if name == "rename" and (found := re.search(r"/step-(\d+)$", str(arguments[1])))
    ]
    return steps[-1] if steps else None


def check_newest(folder, step):
    found, damaged = Checkpoints(folder).newest()
    assert damaged == []
    assert (found.header.step if found else None) == step
    checkpoints_of(folder)  # not one of them is damaged


def check_kills(train, how, folder, only=CHANGING):
    bits, names, made = whole_run(train)
    run = folder / "run"
    for number, (name, *arguments) in enumerate(made, start=1):
        if name not in only:
            continue

        def killed(number=number):
            with Calls(number, how).patched():
                train(run)

        assert forked(killed) == -signal.SIGKILL, f"call {number}, {name}"
        done = number if how is do_and_kill else number - 1
        check_newest(run, step_committed(made[:done]))
        assert_same_bits(train(run), bits, f"call {number}, {name}{arguments}")
        check_ended(run, names)
        shutil.rmtree(run)


def check_one_call_later(train, folder):
    def killed():
        with Calls(len(whole_run(train)[2]) + 1, kill).patched():
            train(folder / "run")

    assert forked(killed) == 0


def check_again_and_again(train, folder):
    """Kill each process a call later than the last, from wherever that left."""
    bits, names, _ = whole_run(train)
    for number in range(1, 400):

        def killed(number=number):
            with Calls(number, kill).patched():
                train(folder / "run")

        if forked(killed) == 0:
            break
    assert number > 20
    assert_same_bits(train(folder / "run"), bits)
    check_ended(folder / "run", names)


def check_large_save(folder):
    """Kill at every call; threads write files side by side, each in several parts."""
    size = 1_300_000
    for number in itertools.count(1):
        run = folder / "run"
        for step in (1, 2):
            save(Checkpoints(run, keep_last=2), step, size)

        def killed(run=run, number=number):
            with Calls(number, do_and_kill).patched():
                save(Checkpoints(run, keep_last=2), 3, size)

        if forked(killed) == 0:
            break
        found, damaged = Checkpoints(run).newest()
        assert damaged == [] and found.header.step in (2, 3)
        assert torch.equal(
            found.model["weight"], state(found.header.step, size)["weight"]
        )
        save(Checkpoints(run, keep_last=2), 4, size)
        assert leftovers(run) == []
        assert [each.header.step for each in checkpoints_of(run)][-1] == 4
        shutil.rmtree(run)
    assert number > 25


def killed_at_random(train, folder, *, kills, epochs, seed=0):
    """Kill after some steps and some time; give the status of the last process."""
    draw = random.Random(seed)
    status, steps = [], 0
    while len(status) < kills:
        reading, writing = os.pipe()

        def train_and_tell(writing=writing):
            def tell(step):
                os.write(writing, b".")
                time.sleep(0.001)

            train(folder, epochs=epochs, on_step=tell, every_steps=1, keep_last=2)

        child = start(train_and_tell)
        os.close(writing)
        for _ in range(draw.randint(0, 8)):
            steps += len(os.read(reading, 1))
        time.sleep(draw.uniform(0, 0.008))
        os.kill(child, signal.SIGKILL)
        os.close(reading)
        status.append(ended(child))
        checkpoints_of(folder)
    assert steps > kills
    return status


def check_random_kills(train, folder, kills, epochs):
    bits = train(folder / "whole", epochs=epochs, every_steps=None)
    status = killed_at_random(train, folder / "run", kills=kills, epochs=epochs)
    assert set(status) == {-signal.SIGKILL}
    assert Checkpoints(folder / "run").newest()[0].header.ended is None
    options = {"epochs": epochs, "every_steps": 1, "keep_last": 2}
    assert_same_bits(train(folder / "run", **options), bits)
    assert leftovers(folder / "run") == []


# --- At a call that Python makes -------------------------------------------------


def test_whole_run_makes_every_kind_of_call(train, whole):
    """The first save, one that replaces, one that removes, and the export."""
    _, names, made = whole
    assert {name for name, *_ in made} == {
        "fsync",
        "ftruncate",
        "mkdir",
        "open",
        "pwrite",
        "rename",
        "replace",
        "rmdir",
        "unlink",
        "write",
    }
    renamed = [str(arguments[1]) for name, *arguments in made if name == "rename"]
    for ending in ("step-0", "step-6", "step-6-old", "-step-0", "-step-6-old", "model"):
        assert any(path.endswith(ending) for path in renamed), ending
    assert "model/manifest.json" in names and "checkpoints/step-6" in names


def test_killed_before_every_call_goes_on_to_the_same_bits(train, folder, warm):
    warm(check_kills, train, kill, folder)


def test_killed_in_every_write_goes_on_to_the_same_bits(train, folder, warm):
    """Half of it is there. After any other call all is as before the next."""
    warm(check_kills, train, do_and_kill, folder, {"write", "pwrite"})


@pytest.mark.slow
def test_killed_after_every_call_goes_on_to_the_same_bits(train, folder, warm):
    warm(check_kills, train, do_and_kill, folder)


def test_killed_one_call_later_it_has_passed(train, folder, warm):
    warm(check_one_call_later, train, folder)


def test_killed_again_and_again_while_it_goes_on(train, folder, warm):
    warm(check_again_and_again, train, folder)


def test_killed_at_every_call_of_a_large_save(folder, warm):
    warm(check_large_save, folder)


def test_twenty_random_kills_end_with_the_same_bits(train, folder, warm):
    warm(check_random_kills, train, folder, 20, 80)


# --- By the system itself -----------------------------------------------------------

SYSTEM_CALLS = [
    "fsync",
    "ftruncate",
    "mkdir",
    "openat",
    "pwrite64",
    "rename",
    "truncate",
    "unlink",
    "unlinkat",
    "write",
]


def killed_by_strace(function, call, number):
    """Run in a process killed at a system call; give its exit status."""
    reading, writing = os.pipe()

    def wait_and_run():
        any_process, set_ptracer = -1, 0x59616D61
        ctypes.CDLL(None).prctl(set_ptracer, any_process, 0, 0, 0)
        os.read(reading, 1)
        function()

    child = start(wait_and_run)
    kill_at = f"inject={call}:signal=SIGKILL:when={number}"
    command = ["strace", "-f", "-qq", "-o", os.devnull, "-e", f"trace={call}"]
    tracer = subprocess.Popen(
        [*command, "-e", kill_at, "-p", str(child)],
        stderr=subprocess.PIPE,
        text=True,
    )
    status = Path(f"/proc/{child}/status")
    while re.search(r"TracerPid:\s0\n", status.read_text()):
        if tracer.poll() is not None:
            os.kill(child, signal.SIGKILL)
            pytest.skip(f"strace cannot trace: {tracer.stderr.read()}")
        time.sleep(0.001)
    os.write(writing, b".")
    for descriptor in (reading, writing):
        os.close(descriptor)
    found = ended(child)
    tracer.communicate()
    return found


@pytest.mark.slow
@pytest.mark.parametrize("call", SYSTEM_CALLS)
@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
def test_killed_at_every_system_call_goes_on_to_the_same_bits(
    train, whole, call, folder
):
    bits, names, _ = whole
    run, steps = folder / "run", set()
    for number in itertools.count(1):
        if killed_by_strace(lambda: train(run), call, number) == 0:
            break
        found, damaged = Checkpoints(run).newest()
        assert damaged == []
        steps.add(found.header.step if found else None)
        checkpoints_of(run)
        assert_same_bits(train(run), bits, f"{call} {number}")
        check_ended(run, names)
        shutil.rmtree(run)
    assert number > 1 or call in ("truncate", "unlink")
    if call in ("fsync", "rename", "openat"):
        assert steps == {None, 0, 2, 3, 4, 6}


@pytest.mark.slow
def test_two_hundred_random_kills_end_with_the_same_bits(train, folder, warm):
    warm(check_random_kills, train, folder, 200, 700)
