"""Bytes on the disk: all of them or none, and errors that say what is missing."""

import errno
import hashlib
import os
import re
import stat
import subprocess
import sys
import threading

import pytest

from gradatim.errors import DamagedError, DiskError, RunError
from gradatim.store import disk
from gradatim.store.disk import (
    Written,
    disk_errors,
    free_at,
    if_there,
    make_folder,
    put_back,
    read_file,
    reading,
    remove_folder,
    replace_file,
    sweep,
    sync_folder,
    write_file,
    written_beside,
)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def calls(monkeypatch):
    """The names of the calls that change the disk, in their order."""
    made = []

    def noted(name):
        real = getattr(os, name)

        def call(*arguments, **options):
            made.append(name)
            return real(*arguments, **options)

        return call

    for name in (
        "open",
        "write",
        "fsync",
        "rename",
        "replace",
        "mkdir",
        "unlink",
        "rmdir",
    ):
        monkeypatch.setattr(os, name, noted(name))
    return made


PARTS = {
    "none": [],
    "empty": [b"", b""],
    "small": [b"ab", bytearray(b"c"), memoryview(b"de")],
    "large": [bytes(3 << 20), b"x" * (5 << 20)],
    "mixed": [b"a", bytes(1 << 20), b"b", b"c" * (1 << 19), b"d" * (1 << 19), b"e"],
}


class TestWriteFile:
    @pytest.mark.parametrize("parts", PARTS.values(), ids=PARTS)
    def test_bytes_size_and_digest_are_those_of_all_parts(self, parts, tmp_path):
        content = b"".join(parts)
        written = write_file(tmp_path / "a", parts)
        assert (tmp_path / "a").read_bytes() == content
        assert written == Written(len(content), hashlib.sha256(content).hexdigest())

    def test_numbers_are_written_as_they_lie_in_memory(self, tmp_path):
        import numpy as np

        values = np.arange(6, dtype=np.int16).reshape(2, 3)
        assert write_file(tmp_path / "a", [memoryview(values)]).size == 12
        assert (tmp_path / "a").read_bytes() == values.tobytes()

    def test_call_that_writes_less_is_followed_by_another(self, tmp_path, monkeypatch):
        real = os.write
        monkeypatch.setattr(os, "write", lambda d, view: real(d, view[:3]))
        assert write_file(tmp_path / "a", [b"abcdefgh"]).size == 8
        assert (tmp_path / "a").read_bytes() == b"abcdefgh"

    def test_small_parts_are_one_call_and_fsync_comes_last(self, tmp_path, calls):
        write_file(tmp_path / "a", [b"x"] * 1000)
        assert calls == ["open", "write", "fsync"]

    def test_file_that_is_there_is_not_written_over(self, tmp_path):
        (tmp_path / "a").write_text("mine")
        with pytest.raises(FileExistsError):
            write_file(tmp_path / "a", [b"x"])
        assert (tmp_path / "a").read_text() == "mine"

    def test_nothing_is_left_open_after_an_error(self, tmp_path):
        def parts():
            yield bytes(2 << 20)
            raise ZeroDivisionError

        before = os.listdir("/proc/self/fd"), threading.active_count()
        with pytest.raises(ZeroDivisionError):
            write_file(tmp_path / "a", parts())
        assert (os.listdir("/proc/self/fd"), threading.active_count()) == before

    @pytest.mark.parametrize("mask", [0o022, 0o077])
    def test_mode_is_that_of_the_mask(self, mask, tmp_path):
        before = os.umask(mask)
        try:
            write_file(tmp_path / "a", [b"x"])
        finally:
            os.umask(before)
        assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o666 & ~mask


class TestFolders:
    def test_new_folders_are_waited_for_one_by_one(self, tmp_path, calls):
        make_folder(tmp_path / "a" / "b" / "c")
        assert (tmp_path / "a" / "b" / "c").is_dir()
        assert calls == 3 * ["mkdir", "open", "fsync"]
        make_folder(tmp_path / "a" / "b" / "c")
        assert len(calls) == 9

    def test_folder_cannot_be_where_a_file_is(self, tmp_path):
        (tmp_path / "a").touch()
        for path in (tmp_path / "a", tmp_path / "a" / "b"):
            with pytest.raises(OSError, match=r"exists|Not a directory"):
                make_folder(path)

    def test_folder_that_another_process_makes_meanwhile_is_taken(
        self, tmp_path, monkeypatch
    ):
        real = os.mkdir

        def twice(path):
            real(path)
            real(path)

        monkeypatch.setattr(os, "mkdir", twice)
        make_folder(tmp_path / "a")
        assert (tmp_path / "a").is_dir()

    @pytest.mark.parametrize("number", [errno.EINVAL, errno.EIO])
    def test_only_systems_without_fsync_of_folders_are_let_off(
        self, number, tmp_path, monkeypatch
    ):
        def fail(descriptor):
            raise OSError(number, "no")

        monkeypatch.setattr(os, "fsync", fail)
        if number == errno.EINVAL:
            sync_folder(tmp_path)
        else:
            with pytest.raises(OSError, match="no"):
                sync_folder(tmp_path)

    def test_removed_folder_leaves_its_place_at_once(self, tmp_path, calls):
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "b").touch()
        calls.clear()
        remove_folder(tmp_path / "a")
        assert names(tmp_path) == [] and calls[0] == "rename"

    def test_sweep_takes_what_was_not_finished_alone(self, tmp_path):
        (tmp_path / ".tmp-1-a").mkdir()
        (tmp_path / ".tmp-1-a" / "b").touch()
        (tmp_path / ".tmp-2-c").touch()
        (tmp_path / "mine").mkdir()
        (tmp_path / ".tmp-3-link").symlink_to("mine")
        (tmp_path / "mine" / ".tmp-4").touch()
        sweep(tmp_path)
        assert names(tmp_path) == ["mine"] and names(tmp_path / "mine") == [".tmp-4"]
        sweep(tmp_path / "is not there")


class TestWrittenBeside:
    def write(self, path, text, **options):
        with written_beside(path, **options) as folder:
            assert folder.parent == path.parent and folder != path
            (folder / "a").write_text(text)

    def test_new_folder_takes_its_place(self, tmp_path):
        self.write(tmp_path / "x", "1")
        assert names(tmp_path) == ["x"]
        assert (tmp_path / "x" / "a").read_text() == "1"

    def test_old_folder_is_replaced_whole(self, tmp_path):
        (tmp_path / "x").mkdir()
        (tmp_path / "x" / "b").touch()
        self.write(tmp_path / "x", "2")
        assert names(tmp_path) == ["x"] and names(tmp_path / "x") == ["a"]

    @pytest.mark.parametrize("kind", [ZeroDivisionError, KeyboardInterrupt, SystemExit])
    def test_error_leaves_the_old_one_and_nothing_else(self, kind, tmp_path):
        self.write(tmp_path / "x", "1")
        with pytest.raises(kind), written_beside(tmp_path / "x") as folder:
            (folder / "a").write_text("2")
            raise kind
        assert names(tmp_path) == ["x"]
        assert (tmp_path / "x" / "a").read_text() == "1"

    def test_failed_second_rename_puts_the_old_one_back(self, tmp_path, monkeypatch):
        self.write(tmp_path / "x", "1")
        real, made = os.rename, []

        def rename(old, new):
            made.append(new)
            if len(made) == 2:
                raise OSError(errno.EIO, "no")
            real(old, new)

        monkeypatch.setattr(os, "rename", rename)
        with pytest.raises(OSError, match="no"):
            self.write(tmp_path / "x", "2")
        assert names(tmp_path) == ["x"]
        assert (tmp_path / "x" / "a").read_text() == "1"

    def test_without_replace_a_full_folder_stays_and_an_empty_one_goes(self, tmp_path):
        (tmp_path / "x").mkdir()
        self.write(tmp_path / "x", "1", replace=False)
        with pytest.raises(OSError, match="not empty"):
            self.write(tmp_path / "x", "2", replace=False)
        assert names(tmp_path) == ["x"]
        assert (tmp_path / "x" / "a").read_text() == "1"

    def test_order_is_files_then_their_folder_then_its_name(self, tmp_path, calls):
        with written_beside(tmp_path / "x") as folder:
            write_file(folder / "a", [b"1"])
        assert calls == [
            *["mkdir"],
            *["open", "write", "fsync"],
            *["open", "fsync"],
            *["rename"],
            *["open", "fsync"],
        ]

    def test_what_a_kill_left_of_an_earlier_one_goes(self, tmp_path):
        for there in (["x-old"], ["x-old", "x"]):
            for name in there:
                (tmp_path / name).mkdir(exist_ok=True)
            self.write(tmp_path / "x", "2")
            assert names(tmp_path) == ["x"] and names(tmp_path / "x") == ["a"]

    def test_kill_between_the_renames_is_undone(self, tmp_path):
        (tmp_path / "x-old").mkdir()
        put_back(tmp_path / "x")
        assert names(tmp_path) == ["x"]
        put_back(tmp_path / "x")
        assert names(tmp_path) == ["x"]

    def test_kill_after_the_renames_is_ended(self, tmp_path):
        for name in ("x", "x-old"):
            (tmp_path / name).mkdir()
            (tmp_path / name / name).touch()
        put_back(tmp_path / "x")
        assert names(tmp_path) == ["x"] and names(tmp_path / "x") == ["x"]


class TestReplaceFile:
    def test_file_is_replaced_in_one_step(self, tmp_path, calls):
        (tmp_path / "a").write_text("old")
        assert replace_file(tmp_path / "a", [b"new"]).size == 3
        assert (tmp_path / "a").read_text() == "new" and names(tmp_path) == ["a"]
        assert calls == ["open", "write", "fsync", "replace", "open", "fsync"]

    @pytest.mark.parametrize("call", ["open", "write", "fsync", "replace"])
    def test_error_leaves_the_old_one_and_nothing_else(
        self, call, tmp_path, monkeypatch
    ):
        (tmp_path / "a").write_text("old")

        def fail(*arguments):
            raise OSError(errno.ENOSPC, "no")

        monkeypatch.setattr(os, call, fail)
        with pytest.raises(OSError, match="no"):
            replace_file(tmp_path / "a", [b"new"])
        assert (tmp_path / "a").read_text() == "old" and names(tmp_path) == ["a"]


class TestErrors:
    def raised(self, number, path, **options):
        with pytest.raises(DiskError) as caught, disk_errors(path, **options):
            raise OSError(number, os.strerror(number))
        return caught.value

    def test_full_disk_tells_both_sizes_and_the_place(self, tmp_path):
        path = tmp_path / "gone" / "x"
        error = self.raised(errno.ENOSPC, path, needs=16_100_000, why="y is kept.\n")
        what, why, cure = str(error).split("\n")
        assert what.startswith(
            f"{path} cannot be written, the disk is full: needs 16.1 MB, "
        )
        assert what.endswith(f" free at {tmp_path}.")  # the nearest that there is
        assert (why, cure) == ("y is kept.", "Make room there.")
        assert error.errno == errno.ENOSPC

    def test_unknown_error_has_the_systems_words(self, tmp_path):
        error = self.raised(errno.ENODEV, tmp_path, cannot="cannot be removed")
        assert str(error) == (
            f"{tmp_path} cannot be removed, No such device.\n"
            "What it was to hold is not saved.\nMend that, and start again."
        )

    def test_it_is_an_error_of_ours_and_of_the_systems(self, tmp_path):
        error = self.raised(errno.EIO, tmp_path)
        assert isinstance(error, RunError) and isinstance(error, OSError)
        assert isinstance(error.__cause__, OSError)

    @pytest.mark.parametrize("error", [DamagedError("a"), DiskError("b"), KeyError()])
    def test_others_pass(self, error, tmp_path):
        with pytest.raises(type(error)) as caught, disk_errors(tmp_path):
            raise error
        assert caught.value is error

    def test_free_room_is_that_of_the_disk(self, tmp_path):
        assert re.fullmatch(rf"[\d.,]+ [MGT]B free at {tmp_path}", free_at(tmp_path))

    @pytest.mark.parametrize(
        ("number", "kind"),
        [(errno.EIO, DamagedError), (errno.EMFILE, RunError), (errno.EACCES, RunError)],
    )
    def test_only_what_tells_of_the_file_is_damage(self, number, kind, tmp_path):
        expected = pytest.raises(RunError, match="cannot be read")
        with expected as caught, reading(tmp_path):
            raise OSError(number, os.strerror(number))
        assert type(caught.value) is kind


class TestReadFile:
    def test_content(self, tmp_path):
        (tmp_path / "a").write_bytes(b"xyz")
        assert read_file(tmp_path / "a", most=3) == b"xyz"

    def test_larger_file_is_refused_unread(self, tmp_path):
        with open(tmp_path / "a", "wb") as file:
            file.truncate(1 << 40)  # takes no room
        with pytest.raises(DamagedError, match=r"has 1,099,511,627,776 bytes"):
            read_file(tmp_path / "a", most=1 << 30)

    def test_what_is_no_file_is_refused(self, tmp_path):
        (tmp_path / "file").touch()
        (tmp_path / "link").symlink_to("file")
        (tmp_path / "nowhere").symlink_to("gone")
        (tmp_path / "folder").mkdir()
        os.mkfifo(tmp_path / "pipe")
        before = os.listdir("/proc/self/fd")
        for name, what in {
            "link": "is a link",
            "nowhere": "is a link",
            "folder": "is no regular file",
            "pipe": "is no regular file",
            "gone": "No such file",
        }.items():
            with pytest.raises(DamagedError, match=rf"{name} .*{what}"):
                read_file(tmp_path / name, most=1)
        with pytest.raises(DamagedError, match="is no regular file"):
            read_file(disk.Path("/dev/zero"), most=1)
        assert os.listdir("/proc/self/fd") == before

    def test_file_that_grows_is_refused(self, tmp_path, monkeypatch):
        (tmp_path / "a").write_bytes(b"x")
        real = os.fstat

        def grow(descriptor):
            found = real(descriptor)
            with open(tmp_path / "a", "ab") as file:
                file.write(b"y")
            return found

        monkeypatch.setattr(os, "fstat", grow)
        with pytest.raises(DamagedError, match="changed while it was read"):
            read_file(tmp_path / "a", most=10)


def test_a_large_file_is_written_while_python_ends(tmp_path):
    """A program may save at its exit, when no thread can be begun any more."""
    program = """
import atexit, sys
from pathlib import Path
from gradatim.store.disk import write_file
atexit.register(lambda: print(write_file(Path(sys.argv[1]), [b"x" * 5_000_000])))
"""
    path = tmp_path / "large"
    command = [sys.executable, "-c", program, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    sha256 = hashlib.sha256(b"x" * 5_000_000).hexdigest()
    assert done.stdout == f"Written(size=5000000, sha256='{sha256}')\n"
    assert path.stat().st_size == 5_000_000


@pytest.mark.parametrize("is_removed", [False, True])
def test_what_was_removed_meanwhile_is_not_said_to_be_there(tmp_path, is_removed):
    kept = tmp_path / "kept"
    kept.mkdir()
    stands = if_there(kept, "It is kept.\n")
    with pytest.raises(DiskError) as caught, disk_errors(tmp_path, why=stands):
        if is_removed:
            kept.rmdir()
        raise OSError(errno.EIO, "Input/output error")
    wanted = f"{kept} was removed, or moved." if is_removed else "It is kept."
    assert str(caught.value).split("\n")[1] == wanted
