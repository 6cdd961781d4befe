"""The bytes of a text file, plain and in UTF-8, however the file itself is written."""

import contextlib
import functools
import gzip
import io
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from gradatim.tables.files.arrow import for_arrow
from gradatim.tables.files.expansion import check_expansion, most_bytes
from gradatim.tables.files.packing import (
    PIECE_BYTES,
    UNPACKING_ERRORS,
    damaged_packing,
    packed_suffix,
    plain_copy,
    unpacked,
)

__all__ = ["TextFile"]


@dataclass(frozen=True, slots=True)
class TextFile:
    """A text file, or the plain copy of one.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "a.csv")
    >>> _ = path.write_text("a,b")
    >>> with TextFile.of(path).open() as file:
    ...     file.read()
    b'a,b'
    """

    path: Path
    """The file, which messages name."""
    copy: pa.Buffer | None = None
    """Its text, where the file itself is not read any more."""
    first_line: int = 1
    """The number of its first line: 0 where a header was put before those it has."""

    @classmethod
    def of(cls, path: Path) -> "TextFile":
        """Take a file, and unpack it where it is not read while it is unpacked."""
        if packed_suffix(path.name) in ("", ".gz"):
            return cls(path)
        return cls(path, plain_copy(path, unpacked(path)))

    def rewritten(self, pieces: Iterable[bytes]) -> "TextFile":
        """Give the same file with another text in place of its own."""
        return replace(self, copy=plain_copy(self.path, pieces))

    def open(self) -> io.BufferedReader:
        """Open the plain text."""
        if self.copy is not None:
            return io.BufferedReader(_Copy(self.copy))
        if self._is_gzip:
            return io.BufferedReader(_Unpacked(self.path))
        return self.path.open("rb")

    def for_arrow(self) -> contextlib.AbstractContextManager[Any]:
        """Give what pyarrow reads: a path, a buffer, or a stream that unpacks.

        pyarrow unpacks in threads of its own, which may go on for a while after an
        error or the first block. They must not need Python: where it ends meanwhile,
        one that does would abort the process. So whether the file is whole, and not too
        large, is found out before.
        """
        if self.copy is not None:
            return pa.BufferReader(self.copy)
        if self._is_gzip:
            self._check_unpacking()
            return pa.CompressedInputStream(pa.OSFile(os.fsencode(self.path)), "gzip")
        source = for_arrow(self.path)
        return contextlib.nullcontext(self.path) if source is self.path else source

    def pieces(self) -> Iterator[bytes]:
        """Give the plain text piece by piece."""
        with self.open() as file:
            while piece := file.read(PIECE_BYTES):
                yield piece

    @property
    def _is_gzip(self) -> bool:
        return packed_suffix(self.path.name) == ".gz"

    def _check_unpacking(self) -> None:
        """Unpack the file from beginning to end, once while it stays as it is."""
        about, most = self.path.stat(), most_bytes(self.path)
        _check_gzip(self.path, about.st_ino, about.st_size, about.st_mtime_ns, most)


@functools.lru_cache(maxsize=16)
def _check_gzip(path: Path, *_as_it_is: float) -> None:
    with _Unpacked(path) as file:
        buffer = bytearray(PIECE_BYTES)
        while file.readinto(buffer):
            pass


class _Copy(io.RawIOBase):
    """A buffer as a file, without a copy of it."""

    def __init__(self, buffer: pa.Buffer) -> None:
        self._bytes, self._place = memoryview(buffer).cast("B"), 0

    def readable(self) -> bool:
        """Say that bytes can be read; Python's buffer asks."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read into a buffer; give how many bytes."""
        piece = self._bytes[self._place : self._place + len(buffer)]
        buffer[: len(piece)] = piece
        self._place += len(piece)
        return len(piece)


class _Unpacked(io.RawIOBase):
    """The unpacked bytes of a gzip file, whose damage is a ``FileReadError``.

    So is a size that no honest file of its length has: see ``expansion``.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._file = path, gzip.GzipFile(path)
        self._num_bytes, self._most = 0, most_bytes(path)

    def readable(self) -> bool:
        """Say that bytes can be read; Python's buffer asks."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read into a buffer; give how many bytes."""
        try:
            num_read = self._file.readinto(buffer)
        except UNPACKING_ERRORS as error:
            raise damaged_packing(self._path, error) from error
        self._num_bytes += num_read
        check_expansion(self._path, self._num_bytes, self._most)
        return num_read

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()
