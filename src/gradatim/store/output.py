"""Files that a user names: written whole, or the file of before stays as it was.

A page, a picture, predictions, the course's progress: every command and method that
writes where the user says does it here.
"""

import codecs
import contextlib
import io
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from gradatim.store.disk import disk_error, taking_the_place_of
from gradatim.text import bytes_for_people, printable_lines

__all__ = ["is_special", "output_file", "write_output"]


def write_output(path: Path, text: str, *, so_far: str = "") -> None:
    """Write a text as UTF-8 where the user says.

    Args:
        path: A file, which is replaced when all of the text is on the disk; a link,
            whose target is replaced; a device or a pipe, which is written to directly;
            ``-`` for standard output.
        text: What is written. What UTF-8 cannot hold is written as an escape.
        so_far: A sentence for the error's message: what else is written already.

    Raises:
        DiskError: The file cannot be written. What was at ``path`` is still there.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "page.html")
    >>> write_output(path, "<p>one</p>")
    >>> path.read_text()
    '<p>one</p>'
    """
    content = text.encode("utf-8", errors="backslashreplace")
    with output_file(path, needs=len(content), so_far=so_far) as file:
        file.write(content)


@contextlib.contextmanager
def output_file(path: Path, *, needs: int = 0, so_far: str = "") -> Iterator[BinaryIO]:
    """Open a file that takes the place of ``path`` when all of it is written.

    Args:
        path: As :func:`write_output` takes it.
        needs: How many bytes will be written, where that is known.
        so_far: As :func:`write_output` takes it.

    Yields:
        A file of bytes. After any error what was at ``path`` is still there, and
        nothing is left beside it.

    Raises:
        DiskError: The file cannot be written. Errors that the caller raises while the
            file is open go through as they are.
    """
    if str(path) == "-":
        sys.stdout.flush()
        out = sys.stdout.buffer
        yield cast(BinaryIO, _Shown(out)) if sys.stdout.isatty() else out
        out.flush()
        return
    output = _Output(path, needs, so_far)
    if output.is_special:
        output.open(path, os.O_WRONLY)
        with io.BufferedWriter(output) as file:
            yield cast(BinaryIO, file)
        return
    target = Path(os.path.realpath(path))
    with output.errors():
        if target.is_symlink():
            os.stat(path)  # fails: the link leads to itself
        output.was_there = target.exists()
    with taking_the_place_of(
        target, errors=output.errors, may_lack_sync=True
    ) as beside:
        output.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        if output.was_there:
            with contextlib.suppress(OSError):  # another user's file
                os.chmod(beside, stat.S_IMODE(target.stat().st_mode))
        with io.BufferedWriter(output) as file:
            yield cast(BinaryIO, file)
            file.flush()
            with output.errors():
                os.fsync(output.fileno())


class _Output(io.RawIOBase):
    """The bytes that are written for a user, and the words for what hinders them.

    Every change of the disk is a call of ``os``, so that a test can let each fail.
    """

    def __init__(self, path: Path, needs: int, so_far: str) -> None:
        self.path, self.needs, self.so_far = path, needs, so_far
        self.num_written = 0
        self.is_special = is_special(path)
        self.was_there = False
        self._descriptor: int | None = None

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """Turn an error of the system into one that says what is written and free."""
        try:
            yield
        except OSError as error:
            why = f"{self.so_far}\n" if self.so_far else ""
            if self.num_written and not self.is_special:
                written = bytes_for_people(self.num_written)
                why += f"The disk took {written}, which are removed again.\n"
            if self.was_there:
                why += "The file that was there stays as it was.\n"
            what = "cannot be written"
            raise disk_error(self.path, error, self.needs, what, why) from error

    def open(self, path: Path, flags: int) -> None:
        """Open the file that is written to."""
        with self.errors():
            self._descriptor = os.open(path, flags | getattr(os, "O_CLOEXEC", 0), 0o666)

    def fileno(self) -> int:
        """Give the file's descriptor."""
        assert self._descriptor is not None
        return self._descriptor

    def writable(self) -> bool:
        """Say that bytes may be written; Python's buffer asks."""
        return True

    def write(self, content: Any) -> int:
        """Write some of ``content``; give how many bytes were taken."""
        with self.errors():
            count = os.write(self.fileno(), content)
        self.num_written += count
        return count

    def close(self) -> None:
        """Close the file."""
        if self._descriptor is not None and not self.closed:
            os.close(self._descriptor)
        super().close()


class _Shown(io.RawIOBase):
    """Standard output that is a terminal: what could speak to it is escaped."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")

    def writable(self) -> bool:
        """Say that bytes may be written."""
        return True

    def write(self, content: Any) -> int:
        """Write text in UTF-8."""
        text = self._decoder.decode(bytes(content)).replace("\r\n", "\n")
        self._out.write(printable_lines(text).encode())
        return len(content)


def is_special(path: Path) -> bool:
    """Say whether a name is a device's or a pipe's: bytes written there are gone."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)
