"""Bytes that are on the disk when we say so: write, fsync, rename, remove.

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
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from gradatim.errors import DiskError, RunError

__all__ = [
    "OLD",
    "Written",
    "disk_errors",
    "read_file",
    "remove_folder",
    "replace_file",
    "sweep",
    "sync_folder",
    "write_file",
    "written_beside",
]

Buffer = bytes | bytearray | memoryview

TEMPORARY = ".tmp-"
"""What begins so was never finished, or is being removed."""

OLD = "-old"
"""Ends the name of a folder while another takes its place."""

SMALL = 1 << 20
"""Bytes below which parts are joined before they are written: one call for many."""


class Written(NamedTuple):
    """What a file is, for its line in a manifest."""

    size: int
    sha256: str


def write_file(path: Path, parts: Iterable[Buffer]) -> Written:
    """Write a new file and wait until it is on the disk; its mode is the umask's.

    The digest is taken while the system writes: both leave Python's lock alone.

    Args:
        path: Must not exist.
        parts: One after the other, each a contiguous buffer.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
    descriptor = os.open(path, flags, 0o666)
    digest, size = hashlib.sha256(), 0
    try:
        for part in _joined(parts):
            size += len(part)
            if len(part) < SMALL:  # a thread costs more than the digest
                digest.update(part)
                _write_all(descriptor, part)
                continue
            hashing = threading.Thread(target=digest.update, args=(part,))
            hashing.start()
            try:
                _write_all(descriptor, part)
            finally:
                hashing.join()
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return Written(size, digest.hexdigest())


def _joined(parts: Iterable[Buffer]) -> Iterator[memoryview]:
    """Join small parts; pass large ones on as they are."""
    small = bytearray()
    for part in parts:
        view = memoryview(part).cast("B")
        if len(view) >= SMALL:
            if small:
                yield memoryview(small)
                small = bytearray()
            yield view
            continue
        small += view
        if len(small) >= SMALL:
            yield memoryview(small)
            small = bytearray()
    if small:
        yield memoryview(small)


def _write_all(descriptor: int, view: memoryview) -> None:
    while len(view):  # a call may write less than it is given
        view = view[os.write(descriptor, view) :]


def sync_folder(path: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def written_beside(path: Path, *, replace: bool = True) -> Iterator[Path]:
    """Give a new folder beside ``path`` that takes its place at the end, or goes.

    What was at ``path`` is called ``<path>-old`` for the moment between two renames,
    so that at every instant one of the two can be read. With ``replace=False`` only an
    empty folder may be there.
    """
    beside, old = temporary(path), path.with_name(f"{path.name}{OLD}")
    os.mkdir(beside)
    try:
        yield beside
        sync_folder(beside)
        replaces = replace and path.exists()
        if replaces:
            if old.exists():
                remove_folder(old)
            os.rename(path, old)
        # The one moment that counts: before it there is nothing, after it everything.
        os.rename(beside, path)
        sync_folder(path.parent)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    if replaces:
        remove_folder(old)


def replace_file(path: Path, parts: Iterable[Buffer]) -> Written:
    """Write a file beside ``path`` and put it there in one step."""
    beside = temporary(path)
    try:
        written = write_file(beside, parts)
        os.rename(beside, path)
        sync_folder(path.parent)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(beside)
        raise
    return written


def temporary(path: Path) -> Path:
    """Give a name beside ``path`` that no other process uses."""
    return path.with_name(f"{TEMPORARY}{secrets.token_hex(4)}-{path.name}")


def remove_folder(path: Path) -> None:
    """Remove a folder: in one step from its place, then its files."""
    beside = temporary(path)
    os.rename(path, beside)
    shutil.rmtree(beside, ignore_errors=True)


def sweep(folder: Path) -> None:
    """Remove what a killed process has left in ``folder``."""
    with contextlib.suppress(FileNotFoundError):
        for each in os.scandir(folder):
            if not each.name.startswith(TEMPORARY):
                continue
            if each.is_dir(follow_symlinks=False):
                shutil.rmtree(each.path, ignore_errors=True)
            else:
                with contextlib.suppress(OSError):
                    os.unlink(each.path)


REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "a file may not be this large (ulimit -f)",
    errno.EMFILE: "this process has too many open files (ulimit -n)",
    errno.ENFILE: "the system has too many open files",
    errno.EROFS: "the disk is read-only",
    errno.EACCES: "writing there is not allowed",
    errno.EPERM: "writing there is not allowed",
    errno.EXDEV: "the folder lies on two file systems",
    errno.EIO: "the disk reports an error",
}


@contextlib.contextmanager
def disk_errors(path: Path, *, needs: int = 0, why: str = "") -> Iterator[None]:
    """Turn the system's errors into one that says what is needed and what is there.

    Args:
        path: What is being written.
        needs: How many bytes that takes.
        why: What does not get written, and what stands in spite of it.
    """
    try:
        yield
    except RunError:
        raise
    except OSError as error:
        reason = REASONS.get(error.errno or 0, error.strerror or str(error))
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            reason += f": needs {megabytes(needs)}, {free_at(path)}"
        raise DiskError(
            f"{path} cannot be written: {reason}.\n{why}"
            "Make room, or allow writing there, and start again."
        ) from error


def free_at(path: Path) -> str:
    """Say how much room there is where ``path`` lies or would."""
    for each in (path, *path.absolute().parents):
        with contextlib.suppress(OSError):
            return f"{megabytes(shutil.disk_usage(each).free)} free at {each}"
    return f"free room at {path} unknown"


def megabytes(size: int) -> str:
    """Write a size for people.

    >>> megabytes(16_100_000), megabytes(300)
    ('16.1 MB', '300 bytes')
    """
    return f"{size / 1e6:,.1f} MB" if size >= 100_000 else f"{size:,} bytes"


def read_file(path: Path, *, most: int) -> bytes:
    """Read a regular file of at most ``most`` bytes; a link is not followed.

    Raises:
        RunError: It is missing, a link, no file, larger, or cannot be read.
    """
    # Not blocking: opening a named pipe would wait for a writer for ever.
    flags = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(path, os.O_RDONLY | flags)
    except OSError as error:
        what = (
            "is a link" if path.is_symlink() else f"cannot be read ({error.strerror})"
        )
        raise RunError(f"{path} {what}.") from error
    with open(descriptor, "rb", buffering=0) as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise RunError(f"{path} is no regular file.")
        if found.st_size > most:
            raise RunError(
                f"{path} has {found.st_size:,} bytes, more than the {most:,} that "
                "such a file may have."
            )
        try:
            content = file.read()
        except OSError as error:
            raise RunError(f"{path} cannot be read ({error.strerror}).") from error
    if len(content) != found.st_size:
        raise RunError(f"{path} changed while it was read.")
    return content
