"""One writer a run: a lock that goes with the process that holds it."""

import json
import os
import socket
from pathlib import Path

from gradatim.errors import RunLockedError

try:
    import fcntl
except ImportError:  # Windows: no lock there, as docs/files.md says
    fcntl = None  # type: ignore[assignment]

__all__ = ["Lock"]

HELD: set[tuple[int, str]] = set()
"""By this process: the system's locks do not refuse the process that has them."""


class Lock:
    """A lock on a file, held from :meth:`acquire` to :meth:`release` or the end.

    It is the system's record lock: gone with its process, however that ends, and not
    inherited by the workers of a ``DataLoader``.

    Args:
        path: The file; made where there is none, and left there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None
        self._pid = 0

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            RunLockedError: Another process has it, which is named, or another object
                of this one.
        """
        if self._is_held():
            return
        key = (os.getpid(), os.path.realpath(self.path))
        if key in HELD:
            raise RunLockedError(_message(self.path, "this process already"))
        descriptor = os.open(
            self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666
        )
        try:
            if fcntl is not None:
                fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = _holder(descriptor)
            os.close(descriptor)
            if not isinstance(error, (BlockingIOError, PermissionError)):
                raise
            raise RunLockedError(_message(self.path, holder)) from error
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor, self._pid = descriptor, os.getpid()
        HELD.add(key)
        about = {"pid": os.getpid(), "host": socket.gethostname()}
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(about).encode(), 0)

    def release(self) -> None:
        """Give the lock back."""
        if self._descriptor is not None and self._is_held():
            HELD.discard((os.getpid(), os.path.realpath(self.path)))
            os.close(self._descriptor)
        self._descriptor = None

    def _is_held(self) -> bool:
        return self._descriptor is not None and self._pid == os.getpid()


def _holder(descriptor: int) -> str:
    try:
        about = json.loads(os.pread(descriptor, 1000, 0))
        return f"process {int(about['pid'])} on {str(about['host'])[:100]!r}"
    except (ValueError, KeyError, TypeError, OSError):
        return "another process"


def _message(path: Path, holder: str) -> str:
    return (
        f"{path.parent} is being written to by {holder}.\n"
        "Two writers would mix their checkpoints.\n"
        "Wait until it has ended, stop it, or name another run."
    )
