"""The history of a run on the disk: one JSON line a row, only ever added to.

A checkpoint notes how long the file was and the SHA-256 of all until there. What a
killed process wrote after that is cut off again.
"""

import contextlib
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gradatim.errors import DamagedError
from gradatim.run.disk import read_file
from gradatim.run.jsonfile import parse_json
from gradatim.run.tree import pack, unpack

__all__ = ["HistoryFile", "read_rows"]

MOST_BYTES = 1 << 30


class HistoryFile:
    """``history.jsonl`` of a run that is being written.

    Rows wait in memory until :meth:`flush`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.num_rows = 0
        self._num_bytes = 0
        self._digest = hashlib.sha256()
        self._waiting = bytearray()

    def append(self, row: dict[str, Any]) -> None:
        """Add a row: numbers, texts and what :func:`pack` takes, but no tensors."""
        from gradatim.run.jsonfile import to_json

        value, _ = pack(row, "history")
        self._waiting += (to_json(value) + "\n").encode()
        self.num_rows += 1

    def flush(self, *, sync: bool = True) -> None:
        """Write what waits; with ``sync`` it is on the disk when this returns."""
        if not self._waiting and (not sync or self.path.exists()):
            return
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
        self._num_bytes += len(self._waiting)
        self._digest.update(self._waiting)
        self._waiting.clear()

    def position(self) -> dict[str, Any]:
        """Give rows, bytes and digest of what is written."""
        digest = self._digest.hexdigest()
        return {"rows": self.num_rows, "bytes": self._num_bytes, "sha256": digest}

    def go_on_at(self, position: dict[str, Any]) -> list[dict[str, Any]]:
        """Cut the file to ``position``; give the rows until there.

        Raises:
            DamagedError: It is shorter, or its digest is another.
        """
        content = read_until(self.path, position)
        self._digest = hashlib.sha256(content)
        self._num_bytes, self._waiting = len(content), bytearray()
        rows = rows_of(content, self.path)
        self.num_rows = len(rows)
        if self.path.exists():
            with contextlib.suppress(FileNotFoundError):
                os.truncate(self.path, self._num_bytes)
        return rows


def read_until(path: Path, position: dict[str, Any]) -> bytes:
    """Read a history up to a checkpoint's position and compare its digest.

    Raises:
        DamagedError: It is shorter, or its digest is another.
    """
    size = position["bytes"]
    if size == 0:
        return b""
    content = read_file(path, most=MOST_BYTES)[:size]
    if len(content) < size or hashlib.sha256(content).hexdigest() != position["sha256"]:
        raise DamagedError(
            f"{path} is not what was written: up to byte {size:,} its SHA-256 is "
            "another.\nIt was damaged, or changed by hand.\nPut back a copy of it."
        )
    return content


def rows_of(content: bytes, path: Path) -> list[dict[str, Any]]:
    """Read the lines of a history."""
    # Not splitlines(): it also cuts at U+2028, which JSON allows within a string.
    lines = content.decode(errors="replace").split("\n")[:-1]
    return [
        unpack(parse_json(line, f"{path}, line {number}"), {})
        for number, line in enumerate(lines, start=1)
    ]


def read_rows(path: Path) -> Iterable[dict[str, Any]]:
    """Read a history that may be written to just now: whole lines alone."""
    if not path.exists():
        return []
    return rows_of(read_file(path, most=MOST_BYTES), path)
