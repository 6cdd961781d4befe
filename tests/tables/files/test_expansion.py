"""Small files that unpack to much: refused before the memory is full."""

import gzip

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gradatim.cli.main import run
from gradatim.errors import FileReadError
from gradatim.tables.files.expansion import expansion_allowed
from gradatim.tables.files.formats import open_file

ROWS = 18_000_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bombs")
    rows = b"1,2\n" * 250_000
    with gzip.open(folder / "bomb.csv.gz", "wb", 1) as file:
        file.write(b"x,y\n")
        for _ in range(ROWS // 250_000):
            file.write(rows)
    zeros = pa.array(np.zeros(ROWS))
    pq.write_table(pa.table({"x": zeros, "y": zeros}), folder / "bomb.parquet")
    texts = pa.DictionaryArray.from_arrays(pa.nulls(90_000_000, pa.int32()), ["a"])
    pq.write_table(pa.table({"text": texts}), folder / "texts.parquet")
    lists = pa.array([[0.0] * 4_000_000] * 10, pa.list_(pa.float64()))
    pq.write_table(pa.table({"list": lists}), folder / "lists.parquet")
    return folder


@pytest.mark.parametrize(
    "name", ["bomb.csv.gz", "bomb.parquet", "texts.parquet", "lists.parquet"]
)
def test_a_file_that_unpacks_to_far_more_than_its_size_is_refused(folder, name):
    with pytest.raises(FileReadError, match=r"unpacks to .* MB or more, .* times as"):
        open_file(folder / name).read()


def test_what_was_unpacked_by_then_is_bounded(folder):
    path = folder / "bomb.csv.gz"
    with pytest.raises(FileReadError, match="--max-expand") as caught:
        for _ in open_file(path).batches({}):
            pass
    unpacked = float(str(caught.value).split("unpacks to ")[1].split(" MB")[0])
    most = max(1 << 26, 200 * path.stat().st_size)
    assert unpacked * 1e6 < most + (1 << 21)


def test_whoever_trusts_a_file_can_allow_more(folder):
    with expansion_allowed(2_000):
        assert open_file(folder / "bomb.parquet").read(columns=["x"]).num_rows == ROWS
    with pytest.raises(FileReadError):
        open_file(folder / "bomb.parquet")


@pytest.mark.parametrize("allowed", ["2000", "inf", None])
def test_the_command_takes_it_as_an_option(folder, allowed, capfd):
    path, option = folder / "bomb.parquet", ["--max-expand", allowed] if allowed else []
    arguments = ["inspect", str(path), *option]
    assert run(arguments) == (0 if allowed else 1)
    out, err = capfd.readouterr()
    assert ("18,000,000 rows" in out) == bool(allowed)
    assert (str(path) in err) != bool(allowed)


def test_a_small_file_of_few_values_is_read(tmp_path):
    """A file of a thousandth of its size is no bomb, as long as it is small."""
    path = tmp_path / "few.parquet"
    groups = np.repeat(np.arange(100.0), 20_000)
    pq.write_table(pa.table({"a": groups, "b": groups}), path)
    assert path.stat().st_size * 1_000 < 2 * groups.nbytes
    assert open_file(path).read().num_rows == 2_000_000
    packed = tmp_path / "few.csv.gz"
    packed.write_bytes(gzip.compress(b"x\n" + b"12345678\n" * 2_000_000))
    assert packed.stat().st_size * 250 < 18_000_000
    assert open_file(packed).read().num_rows == 2_000_000


def test_a_type_that_is_a_pickle_is_refused(tmp_path):
    path = tmp_path / "pickle.parquet"
    about = {
        b"ARROW:extension:name": b"arrow.py_extension_type",
        b"ARROW:extension:metadata": b"\x80\x04N.",
    }
    schema = pa.schema([pa.field("x", pa.float64(), metadata=about)])
    pq.write_table(pa.table({"x": [1.0, 2.0]}, schema=schema), path)
    with pytest.raises(FileReadError, match="column 'x' is a pickle"):
        open_file(path)


def test_other_types_from_outside_are_read_as_what_they_hold(tmp_path):
    path = tmp_path / "types.parquet"
    about = {b"ARROW:extension:name": b"of.somebody", b"ARROW:extension:metadata": b""}
    schema = pa.schema(
        [pa.field("x", pa.float64(), metadata=about)],
        metadata={"pandas": b'{"index_columns": ["__import__(\'os\')"]}'},
    )
    pq.write_table(pa.table({"x": [1.0, 2.0]}, schema=schema), path)
    assert open_file(path).read().to_pydict() == {"x": [1.0, 2.0]}


def test_no_damage_is_read_in_silence(tmp_path):
    """pyarrow leaves out rows, and takes places that lie outside of a dictionary."""
    path = tmp_path / "t.parquet"
    words = ["one", "two", "three", "four", "five"] * 200
    pq.write_table(pa.table({"w": words}), path, compression="none")
    good, refused = path.read_bytes(), 0
    for place in range(4, len(good) - 600):
        changed = bytearray(good)
        changed[place] ^= 0x7F
        path.write_bytes(changed)
        try:
            file = open_file(path)
            found = file.read()["w"].to_pylist()
            batches = sum(batch.num_rows for batch in file.batches({}))
        except FileReadError:
            refused += 1
        else:
            assert len(found) == batches == 1_000
    assert refused > 20
