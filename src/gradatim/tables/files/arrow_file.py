"""Feather and Arrow IPC: Arrow's own files and streams.

They are read as streams, also the files, whose footer could lead elsewhere. Buffers
may be packed, and say how large they become; that is summed up before one is unpacked.
"""

import os
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from gradatim.errors import FileReadError
from gradatim.tables.files.data_file import damaged
from gradatim.tables.files.expansion import check_expansion, most_bytes
from gradatim.tables.files.structs import opened
from gradatim.tables.files.whole_file import LEAST_BYTES, WholeFile, check_num_rows

__all__ = ["ArrowFile"]

MAGIC = b"ARROW1\0\0"
"""How a file begins; a stream begins with its first message."""
OLD_FEATHER = b"FEA1"
PACKED_FIELD = 3
"""The place of ``compression`` in the format's RecordBatch; there only if packed."""
BUFFERS_FIELD = 2
LENGTH_FIELD = 0
DATA_FIELD = 1
"""The place of the RecordBatch in the format's DictionaryBatch."""
HEADER_FIELD = 2
"""The place of the header in the format's Message."""


class ArrowFile(WholeFile):
    """A file that Feather, polars or Arrow itself has written."""

    suffixes = (".feather", ".arrow", ".ipc", ".arrows")

    def load(self) -> pa.Table:
        """Read all batches, and check every buffer of them."""
        try:
            content = pa.OSFile(os.fsencode(self.path)).read_buffer()
            start = content[:8].to_pybytes()
            if start.startswith(OLD_FEATHER):
                raise FileReadError(
                    f"{self.path} is Feather of version 1.\n"
                    "Its successor, of 2020, is read.\n"
                    "Read it with pandas and write it again: df.to_feather(...)."
                )
            stream = content[len(MAGIC) :] if start == MAGIC else content
            self._check_size(stream)
            table = pa.ipc.open_stream(stream).read_all()
            table.validate(full=True)
            return opened(_simple(table, most_bytes(self.path, least=LEAST_BYTES)))
        except (FileReadError, MemoryError):
            raise
        except Exception as error:
            raise damaged(self.path, "Arrow or Feather", error) from error

    def _check_size(self, stream: pa.Buffer) -> None:
        """Refuse batches that unpack to too much, or have more rows than they may."""
        num_bytes = num_rows = 0
        most = most_bytes(self.path, least=LEAST_BYTES)
        num_columns = len(pa.ipc.open_stream(stream).schema)
        for message in pa.ipc.MessageReader.open_stream(stream):
            if message.type == "schema":
                continue
            header = _Flat(message.metadata.to_pybytes()).table(HEADER_FIELD)
            if message.type == "dictionary":
                header = header.table(DATA_FIELD)
            else:
                num_rows += header.int64(LENGTH_FIELD)
            check_num_rows(self.path, num_rows, num_columns)
            num_bytes += sum(_unpacked_sizes(header, message.body))
            check_expansion(self.path, num_bytes, most)


class _Flat:
    """A table of a flatbuffer: the fields of a message's metadata."""

    def __init__(self, content: bytes, place: int | None = None) -> None:
        self.content = content
        self.place = self._uint32(0) if place is None else place
        self.fields = self.place - struct.unpack_from("<i", content, self.place)[0]

    def _uint32(self, place: int) -> int:
        return struct.unpack_from("<I", self.content, place)[0]

    def place_of(self, field: int) -> int | None:
        """Give where a field stands; None if it has been left out."""
        size = struct.unpack_from("<H", self.content, self.fields)[0]
        if 4 + 2 * field >= size:
            return None
        offset = struct.unpack_from("<H", self.content, self.fields + 4 + 2 * field)[0]
        return self.place + offset if offset else None

    def int64(self, field: int) -> int:
        place = self.place_of(field)
        return 0 if place is None else struct.unpack_from("<q", self.content, place)[0]

    def table(self, field: int) -> "_Flat":
        place = self.place_of(field)
        if place is None:
            raise ValueError("a message lacks its header")
        return _Flat(self.content, place + self._uint32(place))

    def pairs(self, field: int) -> list[tuple[int, int]]:
        """Give a vector of structs of two int64."""
        place = self.place_of(field)
        if place is None:
            return []
        place += self._uint32(place)
        count = self._uint32(place)
        numbers = struct.unpack_from(f"<{2 * count}q", self.content, place + 4)
        return list(zip(numbers[::2], numbers[1::2], strict=True))


def _unpacked_sizes(batch: _Flat, body: pa.Buffer) -> Iterator[int]:
    """Give the sizes of a batch's buffers when they are unpacked."""
    is_packed = batch.place_of(PACKED_FIELD) is not None
    for offset, length in batch.pairs(BUFFERS_FIELD):
        yield length
        if is_packed and length > 8:
            start = body[offset : offset + 8].to_pybytes()
            yield max(0, struct.unpack("<q", start)[0])


def _simple(table: pa.Table, most: float) -> pa.Table:
    """Give columns the types that other formats have, too.

    A type that a program has made up is taken for the one that it is stored as. A view
    of texts may show the same bytes many times: their sum is looked at first.
    """
    columns = [_plain_type(column, most) for column in table.columns]
    return pa.Table.from_arrays(columns, names=table.column_names)


def _plain_type(column: pa.ChunkedArray, most: float) -> pa.ChunkedArray:
    kind: Any = column.type
    if isinstance(kind, pa.BaseExtensionType):
        chunks = [chunk.storage for chunk in column.chunks]
        return _plain_type(pa.chunked_array(chunks, kind.storage_type), most)
    if pa.types.is_dictionary(kind) and pa.types.is_string_view(kind.value_type):
        chunks = [
            pa.DictionaryArray.from_arrays(
                chunk.indices, _without_view(chunk.dictionary, most)
            )
            for chunk in column.chunks
        ]
        return pa.chunked_array(chunks, pa.dictionary(kind.index_type, pa.string()))
    if pa.types.is_string_view(kind):
        chunks = [_without_view(chunk, most) for chunk in column.chunks]
        return pa.chunked_array(chunks, pa.string())
    if pa.types.is_run_end_encoded(kind):
        raise ValueError("a column is run-end encoded. Write it plain.")
    return column


def _without_view(texts: Any, most: float) -> Any:
    """Copy a view of texts into an array of its own."""
    views = np.frombuffer(texts.buffers()[1], np.int32)[::4]
    views = views[texts.offset : texts.offset + len(texts)]
    if views.astype(np.int64).sum() > most:
        raise ValueError(f"its texts hold more than {most:,.0f} bytes")
    return texts.cast(pa.string())
