"""One writer a run, however the other one ended."""

import json
import os
import shutil
import socket

import pytest

from gradatim.errors import RunError, RunLockedError
from gradatim.store.lock import HELD, Lock
from tests.faults.injection import Waiting
from tests.faults.processes import forked


@pytest.fixture
def path(tmp_path):
    yield tmp_path / "lock"
    for lock in list(HELD.values()):
        lock.release()


def is_free(path):
    """Whether another process gets it; that one ends at once."""

    def acquire():
        try:
            Lock(path).acquire()
        except RunLockedError:
            raise SystemExit(5) from None

    status = forked(acquire)
    assert status in (0, 5)
    return status == 0


def holder(path):
    """Another process that has the lock until it is killed."""

    def hold(wait):
        lock = Lock(path)
        lock.acquire()
        wait()

    return Waiting(hold)


def test_lock_keeps_other_processes_out_until_it_is_given_back(path):
    lock = Lock(path)
    assert not lock.is_held()
    lock.acquire()
    lock.acquire()
    assert lock.is_held() and not is_free(path)
    lock.check()
    lock.release()
    lock.release()
    assert not lock.is_held() and is_free(path)


def test_file_names_the_holder_and_nobody_afterwards(path):
    lock = Lock(path)
    lock.acquire()
    assert json.loads(path.read_text()) == {
        "pid": os.getpid(),
        "host": socket.gethostname(),
    }
    # Reading closed the file, which drops the lock; the next save takes it again.
    lock.check()
    assert not is_free(path)
    lock.release()
    assert path.read_text() == ""


def test_refusal_names_folder_process_and_host(path):
    with holder(path) as other, pytest.raises(RunLockedError) as caught:
        Lock(path).acquire()
    what, why, cure = str(caught.value).split("\n")
    assert what == (
        f"{path.parent} is being written to by process {other.process} on "
        f"{socket.gethostname()!r}."
    )
    assert why == "Two writers would mix their checkpoints."
    assert cure.startswith("Wait until it has ended, stop it")
    assert isinstance(caught.value, RunError)


def test_lock_of_a_killed_process_is_free_at_once(path):
    holder(path).kill()
    assert json.loads(path.read_text())["pid"]  # what it wrote is still there
    Lock(path).acquire()
    assert json.loads(path.read_text())["pid"] == os.getpid()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": "x", "host": 1}', "\xff"])
def test_holder_that_cannot_be_read_is_another_process(content, path):
    with holder(path):
        path.write_bytes(content.encode("latin-1"))
        with pytest.raises(RunLockedError, match="written to by another process"):
            Lock(path).acquire()


def test_long_host_is_cut(path):
    with holder(path):
        path.write_text(json.dumps({"pid": 1, "host": "h" * 500}))
        with pytest.raises(RunLockedError) as caught:
            Lock(path).acquire()
    assert "'" + "h" * 100 + "'" in str(caught.value)


def test_newer_object_of_this_process_takes_over(path):
    older, newer = Lock(path), Lock(path)
    older.acquire()
    newer.acquire()
    assert newer.is_held() and not older.is_held() and not is_free(path)
    with pytest.raises(RunLockedError, match="by a newer Run of this process"):
        older.check()
    older.release()
    assert newer.is_held() and not is_free(path)


def test_links_and_relative_paths_are_the_same_lock(path, monkeypatch):
    (path.parent / "link").symlink_to(path.parent)
    monkeypatch.chdir(path.parent)
    locks = [Lock(path), Lock(path.parent / "link" / "lock"), Lock(type(path)("lock"))]
    for lock in locks:
        lock.acquire()
    assert [lock.is_held() for lock in locks] == [False, False, True]
    assert not is_free(path)


def test_forked_child_does_not_have_it(path):
    lock = Lock(path)
    lock.acquire()

    def give_back():
        assert not lock.is_held()
        lock.release()

    assert forked(give_back) == 0
    assert lock.is_held() and not is_free(path)


def test_copy_of_the_folder_drops_the_lock_and_the_check_takes_it_again(path):
    """So are the system's locks: closing any descriptor of the file is enough."""
    lock = Lock(path)
    lock.acquire()
    shutil.copytree(path.parent, path.parent / "copy")
    assert is_free(path)
    lock.check()
    assert not is_free(path)


def test_check_refuses_what_another_process_took_meanwhile(path):
    lock = Lock(path)
    lock.acquire()
    path.read_text()
    with (
        holder(path) as other,
        pytest.raises(RunLockedError, match=f"by process {other.process} on"),
    ):
        lock.check()


def test_removed_file_is_made_again(path):
    lock = Lock(path)
    lock.acquire()
    path.unlink()
    lock.check()
    assert path.exists() and not is_free(path)


def test_check_refuses_where_the_file_was_removed_and_taken(path):
    lock = Lock(path)
    lock.acquire()
    path.unlink()
    with (
        holder(path) as other,
        pytest.raises(RunLockedError, match=f"by process {other.process} on"),
    ):
        lock.check()


@pytest.mark.parametrize("call", ["ftruncate", "pwrite"])
def test_error_while_it_is_taken_gives_it_back(call, path, monkeypatch):
    def fail(*arguments):
        raise OSError(28, "No space left on device")

    before = os.listdir("/proc/self/fd")
    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises(OSError, match="No space left"):
            Lock(path).acquire()
    assert not HELD and is_free(path)
    assert os.listdir("/proc/self/fd") == before


def test_missing_folder_is_the_systems_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        Lock(tmp_path / "gone" / "lock").acquire()
