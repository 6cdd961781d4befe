"""Files that a user names: whole, or as they were before."""

import errno
import os
import stat
import subprocess
import sys
import threading

import pytest

from gradatim.errors import DiskError
from gradatim.store import disk, output
from gradatim.store.output import is_special, output_file, write_output

CHANGING = ("open", "write", "fsync", "replace")
"""The calls that change the disk while an output is written."""


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def refusing(monkeypatch):
    """Let one call of ``os`` fail, from its n-th time on."""

    def refuse(call, *, after=0, number=errno.ENOSPC):
        original, count = getattr(os, call), 0

        def fail(*args, **kwargs):
            nonlocal count
            count += 1
            if count > after:
                raise OSError(number, os.strerror(number))
            return original(*args, **kwargs)

        monkeypatch.setattr(os, call, fail)

    return refuse


def test_a_file_is_there_when_all_of_it_is_written(tmp_path):
    (tmp_path / "a").write_text("old")
    with output_file(tmp_path / "a") as file:
        file.write(b"ne")
        file.flush()
        assert (tmp_path / "a").read_text() == "old"
        file.write(b"w")
    assert (tmp_path / "a").read_text() == "new" and names(tmp_path) == ["a"]


def test_an_error_of_the_caller_goes_through_and_leaves_the_old_file(tmp_path):
    (tmp_path / "a").write_text("old")
    for error in (KeyError("x"), OSError(errno.EIO, "reading"), KeyboardInterrupt()):
        with pytest.raises(type(error)) as caught, output_file(tmp_path / "a") as file:
            file.write(b"ne")
            raise error
        assert caught.value is error
        assert (tmp_path / "a").read_text() == "old" and names(tmp_path) == ["a"]


@pytest.mark.parametrize("call", CHANGING)
@pytest.mark.parametrize("before", ["old", None])
def test_whatever_call_fails_the_file_of_before_stays(tmp_path, refusing, call, before):
    if before:
        (tmp_path / "a").write_text(before)
    refusing(call)
    with pytest.raises(DiskError, match="the disk is full: needs 3 bytes, ") as caught:
        write_output(tmp_path / "a", "new", so_far="2 pages are written.")
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'a'} cannot be written")
    assert "2 pages are written.\n" in message and "free at" in message
    assert ("stays as it was" in message) == bool(before)
    assert names(tmp_path) == (["a"] if before else [])
    if before:
        assert (tmp_path / "a").read_text() == before


def test_a_disk_that_fills_says_how_much_it_took(tmp_path, refusing):
    refusing("write", after=1)
    with pytest.raises(DiskError) as caught, output_file(tmp_path / "a") as file:
        file.write(b"x" * 20_000)
        file.write(b"x" * 20_000)
    assert "The disk took 20.0 kB, which are removed" in str(caught.value)
    assert names(tmp_path) == []


def test_a_write_that_takes_less_than_it_is_given_goes_on(tmp_path, monkeypatch):
    original = os.write
    monkeypatch.setattr(os, "write", lambda file, some: original(file, some[:7]))
    write_output(tmp_path / "a", "0123456789" * 10)
    assert (tmp_path / "a").read_text() == "0123456789" * 10


def test_a_link_stays_and_its_target_is_replaced(tmp_path):
    target = tmp_path / "folder" / "target"
    target.parent.mkdir()
    target.write_text("old")
    link = tmp_path / "link"
    link.symlink_to(target)
    write_output(link, "new")
    assert link.is_symlink() and target.read_text() == "new"
    assert names(tmp_path) == ["folder", "link"] and names(target.parent) == ["target"]
    target.unlink()
    write_output(link, "newer")  # as a shell does with a link that leads nowhere
    assert link.is_symlink() and target.read_text() == "newer"


def test_a_link_that_leads_to_itself_is_refused(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(
        DiskError, match="loop cannot be written, it is a link that leads to itself"
    ):
        write_output(tmp_path / "loop", "new")
    assert (tmp_path / "loop").is_symlink() and names(tmp_path) == ["loop"]


def test_what_stands_in_the_way_is_said(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("old")
    for path, reason in (
        (tmp_path / "folder", "it is a folder"),
        (tmp_path / "none" / "a", "No such file or directory: its folder is not there"),
        (tmp_path / "file" / "a", "its folder is a file"),
        (tmp_path / ("a" * 300), "its name is too long"),
    ):
        with pytest.raises(DiskError, match=f" cannot be written, {reason}"):
            write_output(path, "new")
    assert names(tmp_path) == ["file", "folder"]


def test_the_mode_of_a_file_stays(tmp_path):
    (tmp_path / "a").write_text("old")
    (tmp_path / "a").chmod(0o640)
    write_output(tmp_path / "a", "new")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def test_a_new_file_has_the_mode_of_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        write_output(tmp_path / "a", "new")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def test_a_pipe_is_written_to(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    received = []
    reader = threading.Thread(target=lambda: received.append(pipe.read_text()))
    reader.start()
    write_output(pipe, "new")
    reader.join()
    assert received == ["new"] and names(tmp_path) == ["pipe"] and is_special(pipe)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has /dev/full")
def test_a_device_that_is_full_is_named():
    with pytest.raises(
        DiskError, match="/dev/full cannot be written, the disk is full"
    ):
        write_output(output.Path("/dev/full"), "new")
    write_output(output.Path("/dev/null"), "new")
    assert is_special(output.Path("/dev/null"))


def test_a_dash_is_standard_output(capfdbinary, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    write_output(output.Path("-"), "né\ud800")
    assert capfdbinary.readouterr().out == "né\\ud800".encode()
    assert names(tmp_path) == []


def test_a_folder_that_cannot_be_synced_does_not_undo_an_output(tmp_path, monkeypatch):
    """It may be written to and yet not opened. A run insists, an output does not."""

    def refuse(folder):
        raise PermissionError(errno.EACCES, "Permission denied", str(folder))

    monkeypatch.setattr("gradatim.store.disk.sync_folder", refuse)
    write_output(tmp_path / "answers.csv", "1")
    assert (tmp_path / "answers.csv").read_bytes() == b"1"
    with pytest.raises(PermissionError):
        disk.replace_file(tmp_path / "config.json", [b"{}"])
    assert names(tmp_path) == ["answers.csv", "config.json"]


def test_a_kill_at_any_moment_leaves_a_whole_file(tmp_path):
    """The process dies at each change of the disk in turn; one of the two is there."""
    program = """
import os, sys
from pathlib import Path
from gradatim.store.output import write_output
path, left = Path(sys.argv[1]), int(sys.argv[2])
def dying(original):
    def call(*args, **kwargs):
        global left
        left -= 1
        if left < 0:
            os._exit(9)
        return original(*args, **kwargs)
    return call
for name in ("open", "write", "fsync", "replace", "chmod"):
    setattr(os, name, dying(getattr(os, name)))
write_output(path, "new" * 10_000)
"""
    path = tmp_path / "a"
    seen = set()
    for left in range(12):
        path.write_text("old" * 10_000)
        done = subprocess.run([sys.executable, "-c", program, str(path), str(left)])
        assert path.read_text() in ("old" * 10_000, "new" * 10_000), left
        seen.add((done.returncode, path.read_text()[:3]))
        if done.returncode == 0:
            break
    assert seen == {(9, "old"), (9, "new"), (0, "new")}
