"""SIGKILL at every call that changes the disk, and at any instant."""

import os
import random
import re
import shutil
import signal
import time
from functools import cache

import pytest

from gradatim.run.checkpoint import Checkpoints
from tests.bits import assert_same_bits
from tests.faults.injection import (
    FORMS,
    Calls,
    check_ended,
    checkpoints_of,
    do_and_kill,
    ended,
    fork,
    in_child,
    kill,
    leftovers,
    names_in,
)


@pytest.fixture(params=FORMS)
def train(request):
    return FORMS[request.param]


@cache
def whole_run(train, folder):
    """What the uninterrupted run ends with, its files, and the calls it makes."""
    with Calls().patched() as calls:
        bits = train(folder)
    return bits, names_in(folder), calls.made


@pytest.fixture
def whole(train, tmp_path_factory):
    return whole_run(train, tmp_path_factory.getbasetemp() / f"whole-{train.__name__}")


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
    assert (found.record.step if found else None) == step
    checkpoints_of(folder)  # not one of them is damaged


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
        "rmdir",
        "unlink",
        "write",
    }
    renamed = [str(arguments[1]) for name, *arguments in made if name == "rename"]
    for ending in ("step-0", "step-6", "step-6-old", "-step-0", "-step-6-old", "model"):
        assert any(path.endswith(ending) for path in renamed), ending
    assert "model/manifest.json" in names and "checkpoints/step-6" in names


@pytest.mark.parametrize("how", [kill, do_and_kill])
def test_killed_at_every_call_goes_on_to_the_same_bits(train, whole, how, tmp_path):
    bits, names, made = whole
    for number, (name, *arguments) in enumerate(made, start=1):
        if name == "open" and how is do_and_kill:
            continue  # an empty file: as before the first write
        folder = tmp_path / f"{number}"

        def killed(folder=folder, number=number):
            with Calls(number, how).patched():
                train(folder)

        assert in_child(killed) == -signal.SIGKILL, f"call {number}, {name}"
        done = number if how is do_and_kill else number - 1
        check_newest(folder, step_committed(made[:done]))
        assert_same_bits(train(folder), bits, f"call {number}, {name}{arguments}")
        check_ended(folder, names)
        assert leftovers(folder) == []
        shutil.rmtree(folder)


def test_killed_one_call_later_it_has_passed(train, whole, tmp_path):
    def killed():
        with Calls(len(whole[2]) + 1, kill).patched():
            train(tmp_path / "run")

    assert in_child(killed) == 0


def test_killed_again_and_again_while_it_goes_on(train, whole, tmp_path):
    """Each process is killed a call later than the last, from wherever that left."""
    bits, names, _ = whole
    for number in range(1, 400):

        def killed(number=number):
            with Calls(number, kill).patched():
                train(tmp_path / "run")

        if in_child(killed) == 0:
            break
    assert number > 40
    assert_same_bits(train(tmp_path / "run"), bits)
    check_ended(tmp_path / "run", names)


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

        child = fork(train_and_tell)
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


def check_random_kills(train, folder, *, kills, epochs):
    bits = train(folder / "whole", epochs=epochs, every_steps=None)
    status = killed_at_random(train, folder / "run", kills=kills, epochs=epochs)
    assert set(status) == {-signal.SIGKILL}
    assert Checkpoints(folder / "run").newest()[0].record.ended is None
    options = {"epochs": epochs, "every_steps": 1, "keep_last": 2}
    assert_same_bits(train(folder / "run", **options), bits)
    assert leftovers(folder / "run") == []


def test_twenty_random_kills_end_with_the_same_bits(train, tmp_path):
    check_random_kills(train, tmp_path, kills=20, epochs=60)


@pytest.mark.slow
def test_two_hundred_random_kills_end_with_the_same_bits(train, tmp_path):
    check_random_kills(train, tmp_path, kills=200, epochs=600)
