"""One writer a run: a lock that goes with the process that holds it."""

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from gradatim.errors import DamagedError, RunLockedError

try:
    import fcntl
except ImportError:  # Windows: no lock there, as docs/files.md says
    fcntl = None  # type: ignore[assignment]

__all__ = ["Lock", "holder_of", "waiting_lock"]

FLAGS = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
"""How a lock's file is opened: it is not a link, and no child process inherits it."""

HELD: dict[tuple[int, str], "Lock"] = {}
"""The locks that this process holds, by process and path: the system's locks do not
refuse the process that has them. The newest object takes a lock over, as a cell of a
notebook that is run again makes another object."""


class Lock:
    """A lock on a file, held from :meth:`acquire` to :meth:`release` or the end.

    It is a record lock of the system: it goes with its process, however that ends, and
    the workers of a ``DataLoader`` do not inherit it. The file is never removed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None
        self._key = (0, "")

    def acquire(self) -> None:
        """Take the lock, also from an older object of this process.

        Raises:
            RunLockedError: Another process has the lock; the message names it.
            DamagedError: There is a link in place of the file.
        """
        if self.is_held():
            return
        key = (os.getpid(), os.path.realpath(self.path))
        if (other := HELD.get(key)) is not None:
            self._descriptor, other._descriptor = other._descriptor, None
            self._key = key
            HELD[key] = self
            return
        if self.path.is_symlink():
            raise DamagedError(
                f"{self.path} is a link.\n"
                "Another file would be written to in its place.\n"
                "Remove it: a run makes its own."
            )
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | FLAGS, 0o666)
        try:
            self._lock(descriptor)
            about = {"pid": os.getpid(), "host": socket.gethostname()}
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(about).encode(), 0)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor, self._key = descriptor, key
        HELD[key] = self

    def _lock(self, descriptor: int) -> None:
        try:
            if fcntl is not None:
                fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError) as error:
            raise _locked(self.path, _holder(descriptor)) from error

    def check(self) -> None:
        """Make sure that the lock is held, and still keeps others out.

        The system drops the lock when this process closes the file elsewhere, as
        copying the folder does. And it keeps nobody out once the file was removed. In
        both cases the lock is taken again.

        Raises:
            RunLockedError: Another process or object has the lock by now.
        """
        if self._descriptor is None or not self.is_held():
            raise _locked(self.path, "a newer Run of this process")
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(self._descriptor), os.stat(self.path)):
                self._lock(self._descriptor)
                return
        self.release()
        self.acquire()

    def release(self) -> None:
        """Give the lock back."""
        if self._descriptor is not None and self.is_held():
            del HELD[self._key]
            with contextlib.suppress(OSError):  # leave no host's name behind
                os.ftruncate(self._descriptor, 0)
            with contextlib.suppress(OSError):  # the lock is gone all the same
                os.close(self._descriptor)
        self._descriptor = None

    def is_held(self) -> bool:
        """Tell whether this object has the lock; in a forked child it does not."""
        return self._descriptor is not None and self._key[0] == os.getpid()


def holder_of(path: Path) -> str | None:
    """Say who has the lock on a file, such as ``process 12 on 'host'``; None if nobody.

    A process that only reads asks so whether another one writes.
    """
    if (os.getpid(), os.path.realpath(path)) in HELD:
        return "this process"
    try:
        descriptor = os.open(path, os.O_RDONLY | FLAGS)
    except OSError:
        return None
    try:
        if fcntl is not None:
            fcntl.lockf(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return _holder(descriptor)
    finally:
        os.close(descriptor)
    return None


@contextlib.contextmanager
def waiting_lock(path: Path) -> Iterator[None]:
    """Hold a lock on a file for a moment; wait until other processes let go of it.

    Threads of one process do not keep each other out: they need a lock of their own.

    Args:
        path: The file, which is made where there is none, and never removed.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | FLAGS, 0o666)
    try:
        if fcntl is not None:
            fcntl.lockf(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _holder(descriptor: int) -> str:
    try:
        about = json.loads(os.pread(descriptor, 1000, 0))
        return f"process {int(about['pid'])} on {str(about['host'])[:100]!r}"
    except (ValueError, KeyError, TypeError, OSError):
        return "another process"


def _locked(path: Path, holder: str) -> RunLockedError:
    return RunLockedError(
        f"{path.parent} is being written to by {holder}.\n"
        "Two writers would mix their checkpoints.\n"
        "Wait until it has ended, stop it, or name another run."
    )
