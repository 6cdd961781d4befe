"""Disks that the system itself makes full, read-only or forbidden."""

import errno
import os
import re
import resource
import shutil
import subprocess
from contextlib import suppress

import pytest
import torch

from gradatim.errors import DamagedError, DiskError, GradatimWarning, RunError
from gradatim.run.checkpoint import Checkpoints
from tests.bits import assert_same_bits
from tests.faults.injection import (
    Calls,
    check_ended,
    checkpoints_of,
    error,
    leftovers,
    loop,
    names_in,
    save,
)
from tests.faults.processes import forked


@pytest.fixture
def whole(folder):
    bits = loop(folder / "whole")
    return bits, names_in(folder / "whole")


def told(function):
    """Call ``function`` in a process of its own; give the message of its DiskError."""
    reading, writing = os.pipe()

    def call():
        try:
            function()
        except DiskError as error:
            os.write(writing, str(error).encode())

    status = forked(call)
    os.close(writing)
    with open(reading) as pipe:
        message = pipe.read()
    assert status == 0 and message
    return message


def at(step, function):
    """Give an ``on_step`` that calls ``function`` before a step."""
    return lambda now: function() if now == step else None


def check_goes_on(folder, whole, last_step):
    """From the last checkpoint that the failing process wrote, to the same end."""
    bits, names = whole
    (*_, last) = checkpoints_of(folder)
    assert last.header.step == last_step
    assert_same_bits(loop(folder), bits)
    check_ended(folder, names)


SIZE = r"([\d,]+ bytes|[\d.]+ kB)"


def test_file_that_may_not_be_so_large(whole, folder):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))

    message = told(lambda: loop(folder / "run", on_step=at(3, limit)))
    assert re.fullmatch(
        r"\S*/step-4 cannot be written, the file is too large: "
        rf"needs {SIZE}, 8,192 bytes allowed in a file \(ulimit -f\)\.\n"
        r"\S*/step-3 is kept\.\nRaise the limit\.",
        message,
    )
    check_goes_on(folder / "run", whole, 3)


def test_too_many_open_files(whole, folder):
    def limit():
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))  # not one more

    message = told(lambda: loop(folder / "run", on_step=at(3, limit)))
    assert "this process has too many open files.\n" in message
    assert message.endswith("Close some, or raise the limit (ulimit -n).")
    check_goes_on(folder / "run", whole, 3)


def test_too_many_open_files_is_no_damage(folder):
    """The newest checkpoint is neither passed over nor set aside."""
    checkpoints = Checkpoints(folder)
    for step in (1, 2):
        save(checkpoints, step)
    calls = Calls(1, error(errno.EMFILE), names={"open", "close"}, forever=True)
    with calls.patched(), pytest.raises(RunError, match="Too many open") as caught:
        checkpoints.newest()
    assert not isinstance(caught.value, DamagedError)


def test_part_of_the_disk_that_cannot_be_read_is_damage(folder):
    checkpoints = Checkpoints(folder)
    for step in (1, 2):
        save(checkpoints, step)
    with Calls(3, error(errno.EIO), names={"open", "close"}).patched():
        newest, damaged = checkpoints.newest()
    assert newest.header.step == 1
    assert "step-2" in damaged[0] and "(Input/output error)" in damaged[0]


# --- Mounted ------------------------------------------------------------------------


def mount(folder, *options):
    done = subprocess.run(
        ["mount", *options, str(folder)], capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(f"mounting is not allowed here: {done.stderr.strip()}")


@pytest.fixture
def small_disk(tmp_path):
    """Of 4 MB."""
    if shutil.which("mount") is None:
        pytest.skip("mount is not installed")
    disk = tmp_path / "disk"
    disk.mkdir()
    mount(disk, "-t", "tmpfs", "-o", "size=4m,nr_inodes=64", "tmpfs")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def fill(disk):
    with open(disk / "filler", "wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))


def test_disk_that_is_full(whole, small_disk):
    run = small_disk / "run"
    message = told(lambda: loop(run, on_step=at(3, lambda: fill(small_disk))))
    assert re.fullmatch(
        r"\S*/(step-4|history.jsonl) cannot be written, the disk is full: "
        rf"needs {SIZE}, {SIZE} free at \S*\.\n"
        r"\S*/step-3 is kept\.\nMake room there\.",
        message,
    )
    (small_disk / "filler").unlink()
    check_goes_on(run, whole, 3)


def test_training_goes_on_while_the_disk_is_full(whole, small_disk):
    def full_for_a_while(step):
        if step == 1:
            fill(small_disk)
        if step == 5:
            (small_disk / "filler").unlink()

    run = small_disk / "run"
    with pytest.warns(GradatimWarning, match="disk is full(.|\n)*Training goes on"):
        found = loop(run, on_step=full_for_a_while, on_save_error="warn")
    assert_same_bits(found, whole[0])
    check_ended(run, whole[1])


def test_checkpoint_larger_than_the_disk(small_disk):
    checkpoints = Checkpoints(small_disk)
    save(checkpoints, 1)
    record = checkpoints.read("step-1").header
    record.step = 2
    expected = r"disk is full: needs 16\.1 MB, 4\.\d MB free at (.|\n)*step-1 is kept"
    with pytest.raises(DiskError, match=expected):
        checkpoints.save(record, {"weight": torch.zeros(4_025_000)}, {})
    assert checkpoints.newest()[0].header.step == 1
    assert leftovers(small_disk) == []


def test_disk_with_room_but_for_no_more_files(small_disk):
    checkpoints = Checkpoints(small_disk)
    save(checkpoints, 1)
    with suppress(OSError):
        for number in range(100):
            (small_disk / f"{number}").touch()
    with pytest.raises(DiskError, match=r"disk is full: .*no room for another file"):
        save(checkpoints, 2)


def test_disk_that_becomes_read_only(whole, small_disk):
    run = small_disk / "run"
    forked(lambda: loop(run, on_step=at(5, lambda: os._exit(0))))
    before = names_in(small_disk)
    mount(small_disk, "-o", "remount,ro")
    expected = r"the disk is read-only\.\n.*\nLet it be mounted for writing, or name"
    with pytest.raises(DiskError, match=expected):
        loop(run)
    mount(small_disk, "-o", "remount,rw")
    assert names_in(small_disk) == before
    check_goes_on(run, whole, 4)


# --- Forbidden ----------------------------------------------------------------------


def chattr(how, folder):
    return subprocess.run(["chattr", how, str(folder)], capture_output=True).returncode


@pytest.mark.skipif(not shutil.which("chattr"), reason="chattr is not installed")
def test_folder_that_may_not_be_changed(whole, tmp_path):
    """``chattr +i`` stops root, too."""
    if chattr("+i", tmp_path):
        pytest.skip("chattr +i is not possible here")
    chattr("-i", tmp_path)
    run = tmp_path / "run"
    checkpoints = run / "checkpoints"
    try:
        fix = at(3, lambda: chattr("+i", checkpoints))
        message = told(lambda: loop(run, on_step=fix))
    finally:
        chattr("-i", checkpoints)
    assert re.fullmatch(
        r"\S*/step-4 cannot be written, writing there is not allowed\.\n"
        r"\S*/step-3 is kept\.\nAllow it, or name another folder\.",
        message,
    )
    check_goes_on(run, whole, 3)


def as_nobody(function):
    """Whom a folder's mode stops, as it does not stop root."""
    if os.getuid() != 0:
        pytest.skip("only root can become another user")

    def call():
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        function()

    return call


@pytest.mark.parametrize("name", ["run", "new"])
def test_folder_of_another_user(name, folder):
    loop(folder / "run")
    for path in (folder, folder / "run"):
        path.chmod(0o755)
    message = told(as_nobody(lambda: loop(folder / name)))
    assert re.fullmatch(
        r"\S* cannot be written, writing there is not allowed\.\n"
        r"What it was to hold is not saved\.\nAllow it, or name another folder\.",
        message,
    )


def test_checkpoint_that_may_not_be_read_is_no_damage(folder):
    checkpoints = Checkpoints(folder)
    for step in (1, 2):
        save(checkpoints, step)
    folder.chmod(0o755)
    (folder / "checkpoints" / "step-2" / "model.safetensors").chmod(0o600)

    def read():
        with pytest.raises(RunError, match="Permission denied") as caught:
            checkpoints.newest()
        assert not isinstance(caught.value, DamagedError)

    assert forked(as_nobody(read)) == 0
