"""Gzip files that are damaged, and texts that are larger than a block."""

import gzip
import random
import threading

import pytest

from gradatim.errors import FileReadError
from gradatim.tables.files import text_file
from gradatim.tables.files.formats import open_file

TEXT = b"a,b,price\n" + b"".join(
    b"%d,%d,%d\n" % (i % 7, i * i % 11, i) for i in range(300)
)


def damaged():
    """Give a packed file with one byte changed, for many of its bytes, or cut."""
    packed = gzip.compress(TEXT, 1)
    for place in range(0, len(packed), 7):
        changed = bytearray(packed)
        changed[place] ^= 0xFF
        yield bytes(changed)
    for length in range(1, len(packed), 61):
        yield packed[:length]


def test_damage_is_named_with_the_file_or_does_not_matter(tmp_path):
    path, refused = tmp_path / "t.csv.gz", 0
    for content in damaged():
        path.write_bytes(content)
        try:
            table = open_file(path).read()
        except FileReadError as error:
            assert str(path) in str(error)
            refused += 1
        else:
            assert table.num_rows == 300
    assert refused > 100


@pytest.mark.parametrize("num_columns", [70_000])
def test_a_header_longer_than_a_block_is_read(tmp_path, num_columns):
    names = ",".join(f"ENST{n:011d}" for n in range(num_columns))
    row = ",".join(["1"] * num_columns)
    path = tmp_path / "wide.csv"
    path.write_text(f"{names},price\n{row},1\n{row},2\n")
    file = open_file(path)
    assert len(file.names) == num_columns + 1
    assert file.read(columns=["price"]).to_pydict() == {"price": [1, 2]}
    batches = list(file.batches({}, ["price"]))
    assert sum(batch.num_rows for batch in batches) == 2


def test_a_value_longer_than_a_block_is_read(tmp_path):
    rng = random.Random(0)
    rows = [
        f"{rng.random():.3f},{'x' * (3_000_000 if n == 5 else 3)}" for n in range(9)
    ]
    path = tmp_path / "long.csv"
    path.write_text("\n".join(["a,b", *rows]) + "\n")
    assert max(map(len, open_file(path).read()["b"].to_pylist())) == 3_000_000


def test_no_thread_of_pyarrows_needs_python_to_unpack(tmp_path, monkeypatch):
    """Such a thread goes on after the first block, or an error; it would abort the
    process where Python has ended by then."""
    path = tmp_path / "long.csv.gz"
    path.write_bytes(gzip.compress(TEXT[:10] + TEXT[10:] * 2_000, 1))
    unpacked, readinto = set(), text_file._Unpacked.readinto

    def noted(self, buffer):
        unpacked.add(threading.get_ident())
        return readinto(self, buffer)

    monkeypatch.setattr(text_file._Unpacked, "readinto", noted)
    file = open_file(path)
    assert file.read().num_rows == file.source().num_rows == 600_000
    next(file.batches({}))
    assert unpacked == {threading.get_ident()}


def test_a_file_that_changes_is_unpacked_again(tmp_path):
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(TEXT, 1))
    file = open_file(path)
    assert file.read().num_rows == 300
    path.write_bytes(gzip.compress(TEXT, 1)[:-9])
    with pytest.raises(FileReadError, match="cannot be opened and unpacked"):
        file.read()
