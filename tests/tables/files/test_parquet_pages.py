"""The headers of Parquet's pages, read by code of our own: as pyarrow writes them."""

import io
import random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gradatim.tables.files.parquet_pages import Leaf, chunks_of, unpacked_bytes
from gradatim.tables.files.thrift import Thrift

WORDS = ["one", "two", "three", None] * 700


def write(path, **options):
    table = pa.table(
        {
            "x": np.arange(2_800.0),
            "w": WORDS,
            "l": [[1, 2], None, [], [3]] * 700,
            "t": pa.array(range(2_800), pa.timestamp("us", "UTC")),
        }
    )
    pq.write_table(table, path, **{"row_group_size": 1_000, **options})
    return pq.ParquetFile(path)


@pytest.mark.parametrize("compression", ["none", "snappy", "gzip", "zstd"])
@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_the_footer_is_read_as_pyarrow_reads_it(tmp_path, compression, version):
    path = tmp_path / "t.parquet"
    file = write(path, compression=compression, data_page_version=version)
    groups = chunks_of(path)
    assert [rows for rows, _ in groups] == [1_000, 1_000, 800]
    for number, (_, chunks) in enumerate(groups):
        theirs = file.metadata.row_group(number)
        for index, chunk in enumerate(chunks):
            column = theirs.column(index)
            start = column.dictionary_page_offset or column.data_page_offset
            assert chunk.start == start
            assert chunk.num_values == column.num_values
            assert chunk.packed_bytes == column.total_compressed_size
            assert chunk.num_bytes == column.total_uncompressed_size
            assert len(chunk.encodings) == len(column.encodings)


@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_pages_are_counted_one_by_one(tmp_path, version):
    """What they hold is what the footer says, less their headers."""
    path = tmp_path / "t.parquet"
    write(path, compression="gzip", data_page_version=version, data_page_size=500)
    groups = chunks_of(path)
    leaf = Leaf("INT32", 0, 0, False, False)
    for rows, chunks in groups:
        for chunk in chunks:
            counted = unpacked_bytes(path, [leaf], [(rows, [chunk])], 1e9) - 4 * rows
            assert 0.5 * chunk.num_bytes < counted < chunk.num_bytes


def test_counting_ends_at_the_most_that_is_allowed(tmp_path):
    path = tmp_path / "t.parquet"
    write(path, compression="gzip")
    leaves = [Leaf("DOUBLE", 0, 0, False, False)] * 4
    whole = unpacked_bytes(path, leaves, chunks_of(path), 1e9)
    assert 10_000 < unpacked_bytes(path, leaves, chunks_of(path), 10_000) < whole


def test_what_is_damaged_is_refused_in_plain_errors(tmp_path):
    """Neither another exception, nor a loop, nor a number below zero."""
    path = tmp_path / "t.parquet"
    file = write(path, compression="gzip")
    good, rng, refused = path.read_bytes(), random.Random(0), 0
    leaves = [Leaf("DOUBLE", 0, 0, False, False)] * 4
    start = len(good) - 8 - file.metadata.serialized_size
    for _ in range(300):
        changed = bytearray(good)
        for _ in range(rng.randint(1, 3)):
            first = start if rng.random() < 0.7 else 4
            changed[rng.randrange(first, len(good) - 8)] = rng.randrange(256)
        path.write_bytes(changed)
        try:
            assert unpacked_bytes(path, leaves, chunks_of(path), 1e9) >= 0
        except ValueError:
            refused += 1
    assert refused > 50


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"\x15\x02\x15", IndexError),  # cut
        (b"\x15" + b"\xff" * 11, ValueError),  # a number without an end
        (b"\x15\x02\x05\x02\x04\x00", ValueError),  # the field 1 twice
        (b"\x1c" * 100, ValueError),  # deep
        (b"\x1f\x00", ValueError),  # no type
        (b"\x18\xff\xff\xff\xff\x0f\x00", IndexError),  # text of 4 GB
        (b"\x19\xf1\xff\xff\xff\xff\xff\x0f\x00", IndexError),  # 10^11 booleans
        (b"\x19\xf8\xff\xff\xff\xff\xff\x0f\x00", IndexError),  # 10^11 texts
    ],
)
def test_odd_structs_are_refused(content, what):
    with pytest.raises(what):
        Thrift(content).struct()


def test_every_type_is_read_or_passed_over():
    content = io.BytesIO()
    for field in (
        b"\x11",  # 1: true
        b"\x12",  # 2: false
        b"\x13\x07",  # 3: a byte
        b"\x14\x03",  # 4: 16 bits
        b"\x15\x80\x01",  # 5: 32 bits
        b"\x16\x01",  # 6: 64 bits
        b"\x17" + bytes(8),  # 7: a double
        b"\x18\x02ab",  # 8: text
        b"\x19\x25\x02\x04",  # 9: a list of integers
        b"\x1a\x21\x01\x02",  # 10: a set of booleans
        b"\x1b\x01\x85\x01a\x02",  # 11: a map from text to integers
        b"\x1c\x15\x08\x00",  # 12: a struct
        b"\x05\x80\x01\x06",  # 64: its number stands apart
    ):
        content.write(field)
    reader = Thrift(content.getvalue() + b"\x00and more")
    read = {key: value for key, value in reader.struct().items() if value is not None}
    expected = {(4, 4): -2, (5, 5): 64, (6, 6): -1, (9, 9): [1, 2], (64, 5): 3}
    assert read == {**expected, (12, 12): {(1, 5): 4}}
    assert reader.place == len(content.getvalue()) + 1
