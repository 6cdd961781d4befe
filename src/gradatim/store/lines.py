"""A file of JSON lines that is only ever added to: the history of a run.

A checkpoint notes how long the file was, and the SHA-256 of all bytes up to there. What
a killed process wrote after that point is cut off again.
"""

import contextlib
import hashlib
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gradatim.errors import ConfigError, DamagedError
from gradatim.store.disk import disk_errors, opened, sync_folder
from gradatim.store.json import in_utf8, parse_json
from gradatim.store.pack import is_plain, pack, unpack
from gradatim.text import shown

__all__ = ["LinesFile", "read_rows", "read_until"]

MAX_LINE_BYTES = 1 << 20
"""The size of one row: numbers, and texts that a person reads. Chosen by hand, not
measured."""


class LinesFile:
    """A file of rows that is being written, one JSON line a row.

    Rows wait in memory until :meth:`flush`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.num_rows = 0
        self._num_bytes = 0
        """How much of the file counts: a failed write may have left more."""
        self._digest = hashlib.sha256()
        self._waiting = bytearray()
        self._name_is_durable = False
        """Whether the disk has the file's name in its folder."""

    def append(self, row: dict[str, Any]) -> None:
        """Add a row: numbers, texts and what :func:`pack` takes, but no tensors."""
        line = in_utf8(_line(row) + "\n")
        if len(line) > MAX_LINE_BYTES:
            raise ConfigError(
                f"a row of the history has {len(line):,} bytes.\n"
                f"One of more than {MAX_LINE_BYTES:,} would not be read again.\n"
                "Give numbers and short texts."
            )
        self._waiting += line
        self.num_rows += 1

    def flush(self, *, sync: bool = True) -> None:
        """Write the waiting rows; with ``sync`` they are on the disk at the end."""
        if not self._waiting and (not sync or self._name_is_durable):
            return
        _refuse_link(self.path)
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
        descriptor = os.open(self.path, flags, 0o666)
        try:
            # A write that failed half way may have left something behind this point.
            os.ftruncate(descriptor, self._num_bytes)
            view, offset = memoryview(bytes(self._waiting)), self._num_bytes
            while len(view):
                count = os.pwrite(descriptor, view, offset)
                view, offset = view[count:], offset + count
            if sync:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if sync and not self._name_is_durable:
            sync_folder(self.path.parent)
            self._name_is_durable = True
        self._num_bytes += len(self._waiting)
        self._digest.update(self._waiting)
        self._waiting.clear()

    @property
    def num_waiting_bytes(self) -> int:
        """How many bytes the next :meth:`flush` writes."""
        return len(self._waiting)

    def position(self) -> dict[str, Any]:
        """Give rows, bytes and digest of what is written."""
        digest = self._digest.hexdigest()
        return {"rows": self.num_rows, "bytes": self._num_bytes, "sha256": digest}

    def go_on_at(self, position: dict[str, Any]) -> list[dict[str, Any]]:
        """Cut the file to ``position``; give the rows up to there.

        Where there is no file there are no rows, and the next ones begin a new file.
        """
        _refuse_link(self.path)
        self._digest, self._waiting = hashlib.sha256(), bytearray()
        self._num_bytes, rows = 0, []
        if self.path.exists():
            self._digest = read_until(self.path, position)
            self._num_bytes = position["bytes"]
            rows = list(read_rows(self.path, self._num_bytes))
        self.num_rows = len(rows)
        with disk_errors(self.path), contextlib.suppress(FileNotFoundError):
            os.truncate(self.path, self._num_bytes)
        return rows


ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)
PLAIN = {bool, float, int, str, type(None)}

MAX_PLAIN_LETTERS = 300
"""In a line of fewer letters, no integer can be longer than ``json.MAX_INTEGER``, whose
digits are 301: the line can be written without a look at its numbers."""


def _line(row: dict[str, Any]) -> str:
    # Most rows are plain numbers. pack() would take longer than some epochs do.
    if {type(value) for value in row.values()} <= PLAIN and "$" not in "".join(row):
        with contextlib.suppress(ValueError):  # a number is NaN, or infinite
            if len(text := ENCODER.encode(row)) < MAX_PLAIN_LETTERS:
                return text
    value, tensors = pack(row, "history")
    if tensors or not is_plain(unpack(value, {})):
        raise ConfigError(
            f"a row of the history has {shown(row)}.\n"
            "It holds numbers, texts and lists of them.\n"
            "Give one number of a tensor, for example its .mean()."
        )
    return ENCODER.encode(value)


def read_until(path: Path, position: dict[str, Any]) -> Any:
    """Compare a file, up to the position that a checkpoint noted, with its digest.

    What comes back is the digest object, to which the next rows are added.
    """
    size, digest, num_bytes = position["bytes"], hashlib.sha256(), 0
    for line in _lines(path, size):
        digest.update(line)
        num_bytes += len(line)
    if num_bytes < size or (size and digest.hexdigest() != position["sha256"]):
        what = f"is not what was written: up to byte {size:,} its SHA-256 is another"
        raise _damaged(f"{path} {what}")
    return digest


def read_rows(path: Path, size: int | None = None) -> Iterator[dict[str, Any]]:
    """Read the whole lines of a file to which another process may be writing.

    Where there is no file there are no rows. ``size`` says how many bytes to read.
    """
    if not path.exists() and not path.is_symlink():
        return
    for number, line in enumerate(_lines(path, size), start=1):
        if not line.endswith(b"\n"):
            return
        place = f"{path}, line {number}"
        row = unpack(parse_json(line, place), {}, place)
        if not isinstance(row, dict) or not is_plain(row):
            raise _damaged(f"{place} is no row of a history")
        yield row


def _lines(path: Path, size: int | None) -> Iterator[bytes]:
    """Read line by line, as a file may be larger than the memory."""
    left = math.inf if size is None else size
    with opened(path) as file:
        while line := file.readline(int(min(left, MAX_LINE_BYTES + 1))):
            if len(line) > MAX_LINE_BYTES:
                most = f"{MAX_LINE_BYTES:,} bytes"
                raise _damaged(f"{path} has a line of more than {most}")
            left -= len(line)
            yield line


def _damaged(what: str) -> DamagedError:
    cure = "It was damaged, or changed by hand.\nPut back a copy of it."
    return DamagedError(f"{what}.\n{cure}")


def _refuse_link(path: Path) -> None:
    if path.is_symlink():
        raise DamagedError(
            f"{path} is a link.\n"
            "Another file would be written to in its place.\n"
            "Put the file itself there."
        )
