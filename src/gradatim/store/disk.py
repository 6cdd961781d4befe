"""Bytes that are on the disk when a call returns: write, fsync, rename, remove.

Files and folders are written whole or not at all: under another name beside their
place, and renamed when the disk has them. ``replace_file`` does it for a file,
``written_beside`` for a folder.

Everything here that changes the disk is a call of ``os``, one a change, so that a test
can let each of them fail in turn.
"""

import contextlib
import errno
import hashlib
import os
import secrets
import shutil
import stat
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from io import BufferedReader
from pathlib import Path
from typing import NamedTuple

from gradatim.errors import DamagedError, DiskError, RunError
from gradatim.text import bytes_for_people

__all__ = [
    "OLD",
    "Written",
    "disk_error",
    "disk_errors",
    "if_there",
    "make_folder",
    "opened",
    "put_back",
    "read_file",
    "reading",
    "remove_folder",
    "replace_file",
    "sweep",
    "sync_folder",
    "taking_the_place_of",
    "write_file",
    "written_beside",
]

Buffer = bytes | bytearray | memoryview

TEMPORARY = ".tmp-"
"""The beginning of the name of a file or folder that was never finished, or that is
being removed."""

OLD = "-old"
"""The end of the name of a folder while another takes its place."""

JOINED_BYTES = 1 << 20
"""Smaller parts are joined before they are written: one call for many. Chosen by hand,
not measured."""

WRITE_BYTES = 1 << 21
"""How much is written at a time, before the disk is told to begin. Measured: a
checkpoint of 128 MB took 73 ms so and 84 ms without; smaller parts did not help
(benchmarks/LOG.md, 2026-11-25)."""

WAITING_PARTS = 8
"""How many parts wait for their digest, so that memory does not grow with the file.
Chosen by hand, not measured."""


class Written(NamedTuple):
    """The size and the digest of a file that was written: its line in a manifest."""

    size: int
    sha256: str


def write_file(path: Path, parts: Iterable[Buffer]) -> Written:
    """Write a new file and wait until it is on the disk; its mode is the umask's.

    The digest is taken while the system writes: neither holds Python's lock.

    Args:
        path: Where the file shall be; there must be none yet.
        parts: What is written, one contiguous buffer after the other.
    """
    descriptor = _new_file(path)
    digest, size, waiting = hashlib.sha256(), 0, deque[Future[None]]()
    try:
        with ThreadPoolExecutor(1) as pool:  # its thread begins with the first submit()
            for part in _joined(parts):
                try:
                    if not waiting and len(part) < JOINED_BYTES:
                        digest.update(part)  # too few bytes to be worth a thread
                    else:
                        waiting.append(pool.submit(digest.update, part))
                except RuntimeError:  # Python is ending, and begins no thread
                    while waiting:
                        waiting.popleft().result()
                    digest.update(part)
                if len(waiting) > WAITING_PARTS:
                    waiting.popleft().result()
                _write_all(descriptor, part)
                if hasattr(os, "posix_fadvise"):
                    # The disk begins on this part while the next one is copied.
                    advice = os.POSIX_FADV_DONTNEED
                    os.posix_fadvise(descriptor, size, len(part), advice)
                size += len(part)
            os.fsync(descriptor)  # meanwhile the rest of the digest is taken
    finally:
        os.close(descriptor)
    return Written(size, digest.hexdigest())


def _new_file(path: Path) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
    return os.open(path, flags, 0o666)


def _joined(parts: Iterable[Buffer]) -> Iterator[memoryview]:
    """Join small parts, and cut large ones."""
    small = bytearray()
    for part in parts:
        view = memoryview(part).cast("B")
        if len(view) >= JOINED_BYTES:
            if small:
                yield memoryview(small)
                small = bytearray()
            for start in range(0, len(view), WRITE_BYTES):
                yield view[start : start + WRITE_BYTES]
            continue
        small += view
        if len(small) >= JOINED_BYTES:
            yield memoryview(small)
            small = bytearray()
    if small:
        yield memoryview(small)


def _write_all(descriptor: int, view: memoryview) -> None:
    while len(view):  # a call may write less than it is given
        view = view[os.write(descriptor, view) :]


def sync_folder(path: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    if os.name == "nt":  # folders cannot be opened there
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # the file system cannot fsync a folder
            raise
    finally:
        os.close(descriptor)


def make_folder(path: Path) -> None:
    """Make a folder where there is none, and those above it, and wait for the disk."""
    if path.is_dir():
        return
    make_folder(path.parent)
    try:
        os.mkdir(path)
    except FileExistsError:
        if not path.is_dir():  # else another process was quicker
            raise
    sync_folder(path.parent)


@contextlib.contextmanager
def written_beside(path: Path, *, replace: bool = True) -> Iterator[Path]:
    """Give a new folder beside ``path`` that takes its place at the end.

    After an error the new folder goes. A folder that was at ``path`` is called
    ``<path>-old`` for the moment between two renames, so that at every instant one of
    the two can be read. With ``replace=False`` only an empty folder may be at ``path``.
    """
    beside, old = temporary(path), old_of(path)
    os.mkdir(beside)
    try:
        yield beside
        sync_folder(beside)
        if replace:
            put_back(path)
        if replaces := replace and path.exists():
            os.rename(path, old)
        try:
            # The one moment that counts: before it nothing is there, after it all is.
            os.rename(beside, path)
        except BaseException:
            if replaces:
                os.rename(old, path)
            raise
        try:
            sync_folder(path.parent)
        except OSError:
            if not replace:  # the folder is whole, but a power cut may remove it
                os.rename(path, beside)
            raise
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    if replaces:
        remove_folder(old)


def put_back(path: Path) -> None:
    """Undo or finish a :func:`written_beside` that was killed between two renames."""
    old = old_of(path)
    if not old.exists():
        return
    if path.exists():
        remove_folder(old)
    else:
        os.rename(old, path)


def old_of(path: Path) -> Path:
    """Give the name that a folder has while another takes its place."""
    return path.with_name(f"{path.name}{OLD}")


def replace_file(path: Path, parts: Iterable[Buffer]) -> Written:
    """Write a file beside ``path`` and put it there in one step."""
    with taking_the_place_of(path) as beside:
        return write_file(beside, parts)


@contextlib.contextmanager
def taking_the_place_of(
    path: Path,
    *,
    may_lack_sync: bool = False,
    errors: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext,
) -> Iterator[Path]:
    """Give a name beside ``path``; the file of this name is renamed to it, or goes.

    With ``may_lack_sync`` the file is there all the same where its folder may be
    written to, but not opened to wait for the disk. ``errors`` words what fails in
    renaming, which a ``with`` block of the caller could not tell from its own errors.
    """
    beside = temporary(path)
    try:
        yield beside
        with errors():
            os.replace(beside, path)
            try:
                sync_folder(path.parent)
            except OSError:
                if not may_lack_sync:
                    raise
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(beside)
        raise


def temporary(path: Path) -> Path:
    """Give a name beside ``path`` that no other process uses."""
    return path.with_name(f"{TEMPORARY}{secrets.token_hex(4)}-{path.name}")


def remove_folder(path: Path) -> None:
    """Remove a folder: first, in one step, from its place, and then its files."""
    beside = temporary(path)
    os.rename(path, beside)
    shutil.rmtree(beside, ignore_errors=True)


def sweep(folder: Path) -> None:
    """Remove what a killed process has left in ``folder``."""
    with contextlib.suppress(FileNotFoundError):
        for entry in os.scandir(folder):
            if not entry.name.startswith(TEMPORARY):
                continue
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                with contextlib.suppress(OSError):
                    os.unlink(entry.path)


REASONS = {
    errno.ENOSPC: ("the disk is full", "Make room there."),
    errno.EDQUOT: (
        "the disk quota is used up",
        "Remove files of your own there, or ask for a larger quota.",
    ),
    errno.EFBIG: ("the file is too large", "Raise the limit."),
    errno.EMFILE: (
        "this process has too many open files",
        "Close some, or raise the limit (ulimit -n).",
    ),
    errno.ENFILE: ("the system has too many open files", "Let some be closed."),
    errno.EROFS: (
        "the disk is read-only",
        "Let it be mounted for writing, or name another folder.",
    ),
    errno.EISDIR: ("it is a folder", "Name a file in it."),
    errno.ENOENT: (
        "No such file or directory: its folder is not there",
        "Make the folder, or name another.",
    ),
    errno.ENOTDIR: ("its folder is a file", "Name another folder."),
    errno.ENAMETOOLONG: ("its name is too long", "Name it shorter."),
    errno.ELOOP: ("it is a link that leads to itself", "Remove the link."),
    errno.EXDEV: (
        "the folder lies on two file systems",
        "Let all of the folder lie on one.",
    ),
    errno.EIO: (
        "the disk reports an error",
        "Look into the system's log; copy the folder to another disk.",
    ),
}
REASONS[errno.EACCES] = REASONS[errno.EPERM] = (
    "writing there is not allowed",
    "Allow it, or name another folder.",
)


@contextlib.contextmanager
def disk_errors(
    path: Path,
    *,
    needs: int = 0,
    cannot: str = "cannot be written",
    why: str | Callable[[], str] = "What it was to hold is not saved.\n",
) -> Iterator[None]:
    """Turn an error of the system into one that says what is needed and what is there.

    Args:
        path: The file or folder that is being written.
        needs: How many bytes it takes.
        cannot: What cannot be done with it, for the message.
        why: What that means, as a line of the message; or gives it after the error.
    """
    try:
        yield
    except RunError:
        raise
    except OSError as error:
        why = why if isinstance(why, str) else why()
        raise disk_error(path, error, needs, cannot, why) from error


def if_there(path: Path, words: str) -> Callable[[], str]:
    """Make a line of a message: the words, unless ``path`` was removed meanwhile."""
    return lambda: words if path.exists() else f"{path} was removed, or moved.\n"


def disk_error(
    path: Path, error: OSError, needs: int, cannot: str, why: str
) -> DiskError:
    """Make the error that :func:`disk_errors` raises in place of the system's."""
    number = error.errno or 0
    unknown = error.strerror or str(error), "Mend that, and start again."
    reason, cure = REASONS.get(number, unknown)
    if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        room = largest_file() if number == errno.EFBIG else free_at(path)
        reason += f": needs {bytes_for_people(needs)}, {room}" if needs else f": {room}"
    failure = DiskError(f"{path} {cannot}, {reason}.\n{why}{cure}")
    failure.errno = error.errno
    return failure


def free_at(path: Path) -> str:
    """Say how much room there is where ``path`` lies, or would lie."""
    for place in (path, *path.absolute().parents):
        with contextlib.suppress(OSError):
            free = shutil.disk_usage(place).free
            counts = os.statvfs(place) if hasattr(os, "statvfs") else None
            if counts is not None and counts.f_files and not counts.f_favail:
                return f"no room for another file (inode) at {place}"
            return f"{bytes_for_people(free)} free at {place}"
    return f"free room at {path} unknown"


def largest_file() -> str:
    """Say how large a file may be that this process writes."""
    with contextlib.suppress(ImportError):  # Windows
        import resource

        most, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
        if most != resource.RLIM_INFINITY:
            return f"{bytes_for_people(most)} allowed in a file (ulimit -f)"
    return "more than the file system allows"


ERRORS_OF_THE_SYSTEM = {
    errno.EACCES,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOMEM,
    errno.EPERM,
    errno.ESTALE,
    errno.ETIMEDOUT,
}
"""Errors in reading that say nothing about the file that was to be read."""


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn an error of the system in reading into one of gradatim's.

    Raises:
        DamagedError: What is at ``path`` cannot be read.
        RunError: It may be whole, but this process cannot read it now.
    """
    try:
        yield
    except RunError:
        raise
    except OSError as error:
        may_be_whole = error.errno in ERRORS_OF_THE_SYSTEM
        kind = RunError if may_be_whole else DamagedError
        raise kind(f"{path} cannot be read ({error.strerror or error}).") from error


def read_file(path: Path, *, most: int) -> bytes:
    """Read a regular file of at most ``most`` bytes, opened as :func:`opened` does."""
    with opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise DamagedError(
                f"{path} has {size:,} bytes, more than the {most:,} that "
                "such a file may have."
            )
        content: bytes = file.raw.read()
    if len(content) != size:
        raise DamagedError(f"{path} changed while it was read.")
    return content


@contextlib.contextmanager
def opened(path: Path) -> Iterator[BufferedReader]:
    """Open a regular file to be read; a link is not followed.

    This is one of the guards that ``gradatim.store`` lists: a link leads out of the
    folder, and opening a named pipe would wait for ever.

    Raises:
        DamagedError: The file is missing, a link, or no file.
        RunError: This process cannot read the file now.
    """
    if path.is_symlink():
        raise DamagedError(f"{path} is a link.")
    # Without O_NONBLOCK, opening a named pipe waits until another process writes to it.
    flags = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    with reading(path):
        descriptor = os.open(path, os.O_RDONLY | flags)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise DamagedError(f"{path} is no regular file.")
            with open(descriptor, "rb", closefd=False) as file:
                yield file
        finally:
            os.close(descriptor)
