"""The history of a run on the disk: one JSON line a row, only ever added to.

A checkpoint notes how long the file was and the SHA-256 of all until there. What a
killed process wrote after that is cut off again.
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

__all__ = ["LinesFile", "read_rows"]

MOST_OF_LINE = 1 << 20
"""Bytes of a row: numbers, and texts that a person reads."""


class LinesFile:
    """``history.jsonl`` of a run that is being written.

    Rows wait in memory until :meth:`flush`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.num_rows = 0
        self._num_bytes = 0
        self._digest = hashlib.sha256()
        self._waiting = bytearray()
        self._is_named = False

    def append(self, row: dict[str, Any]) -> None:
        """Add a row: numbers, texts and what :func:`pack` takes, but no tensors."""
        line = in_utf8(_line(row) + "\n")
        if len(line) > MOST_OF_LINE:
            raise ConfigError(
                f"a row of the history has {len(line):,} bytes.\n"
                f"One of more than {MOST_OF_LINE:,} would not be read again.\n"
                "Give numbers and short texts."
            )
        self._waiting += line
        self.num_rows += 1

    def flush(self, *, sync: bool = True) -> None:
        """Write what waits; with ``sync`` it is on the disk when this returns."""
        if not self._waiting and (not sync or self._is_named):
            return
        _refuse_link(self.path)
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
        descriptor = os.open(self.path, flags, 0o666)
        try:
            # Behind this lies what a write left that failed half way, if anything.
            os.ftruncate(descriptor, self._num_bytes)
            view, offset = memoryview(bytes(self._waiting)), self._num_bytes
            while len(view):
                count = os.pwrite(descriptor, view, offset)
                view, offset = view[count:], offset + count
            if sync:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if sync and not self._is_named:
            sync_folder(self.path.parent)
            self._is_named = True
        self._num_bytes += len(self._waiting)
        self._digest.update(self._waiting)
        self._waiting.clear()

    @property
    def num_waiting_bytes(self) -> int:
        """What the next :meth:`flush` writes."""
        return len(self._waiting)

    def position(self) -> dict[str, Any]:
        """Give rows, bytes and digest of what is written."""
        digest = self._digest.hexdigest()
        return {"rows": self.num_rows, "bytes": self._num_bytes, "sha256": digest}

    def go_on_at(self, position: dict[str, Any]) -> list[dict[str, Any]]:
        """Cut the file to ``position``; give the rows until there.

        Where there is no file there are none, and the next ones begin it anew.

        Raises:
            DamagedError: It is shorter, or its digest is another.
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
MOST_LETTERS = 300
"""Of a line in which no number can be too long to be read again."""


def _line(row: dict[str, Any]) -> str:
    # Mostly plain numbers, an epoch of which may take less time than pack().
    if {type(value) for value in row.values()} <= PLAIN and "$" not in "".join(row):
        with contextlib.suppress(ValueError):  # NaN, or infinite
            if len(text := ENCODER.encode(row)) < MOST_LETTERS:
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
    """Compare a history up to a checkpoint's position with its digest.

    Returns:
        The digest, to go on with.

    Raises:
        DamagedError: It is shorter, or its digest is another.
    """
    size, digest, found = position["bytes"], hashlib.sha256(), 0
    for line in _lines(path, size):
        digest.update(line)
        found += len(line)
    if found < size or (size and digest.hexdigest() != position["sha256"]):
        raise DamagedError(
            f"{path} is not what was written: up to byte {size:,} its SHA-256 is "
            "another.\nIt was damaged, or changed by hand.\nPut back a copy of it."
        )
    return digest


def read_rows(path: Path, size: int | None = None) -> Iterator[dict[str, Any]]:
    """Read a history that may be written to just now: whole lines alone.

    Args:
        path: The file; where there is none, there are no rows.
        size: Read so many bytes of it; all by default.

    Raises:
        DamagedError: A line is no row.
    """
    if not path.exists() and not path.is_symlink():
        return
    for number, line in enumerate(_lines(path, size), start=1):
        if not line.endswith(b"\n"):
            return
        place = f"{path}, line {number}"
        row = unpack(parse_json(line, place), {}, place)
        if not isinstance(row, dict) or not is_plain(row):
            raise DamagedError(
                f"{place} is no row of a history.\n"
                "It was damaged, or changed by hand.\nPut back a copy of it."
            )
        yield row


def _lines(path: Path, size: int | None) -> Iterator[bytes]:
    """Read line by line: a file may be larger than the memory."""
    left = math.inf if size is None else size
    with opened(path) as file:
        while line := file.readline(int(min(left, MOST_OF_LINE + 1))):
            if len(line) > MOST_OF_LINE:
                raise DamagedError(
                    f"{path} has a line of more than {MOST_OF_LINE:,} bytes.\n"
                    "It was damaged, or changed by hand.\nPut back a copy of it."
                )
            left -= len(line)
            yield line


def _refuse_link(path: Path) -> None:
    if path.is_symlink():
        raise DamagedError(
            f"{path} is a link.\n"
            "Another file would be written to in its place.\n"
            "Put the file itself there."
        )
