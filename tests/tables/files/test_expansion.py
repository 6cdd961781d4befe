"""Small files that unpack to much: refused before the memory is full."""

import gzip

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gradatim.cli.main import run
from gradatim.errors import FileReadError, SchemaError
from gradatim.tables.files import parquet
from gradatim.tables.files.expansion import expansion_allowed
from gradatim.tables.files.formats import open_file
from gradatim.tables.schema.schema import Schema
from gradatim.tables.table import read_table

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


LARGE = "x" * 50_000
"""One value that stands in 20,000 rows, which is 1 GB."""


def shared(kind):
    words = pa.array([LARGE]).cast(kind)
    return pa.DictionaryArray.from_arrays(pa.array([0] * 20_000, pa.int32()), words)


@pytest.fixture(scope="module")
def nested(tmp_path_factory):
    """Write one large value in many rows: alone, in lists, in structs and in maps."""
    path = tmp_path_factory.mktemp("nested") / "nested.parquet"
    lists, ends = shared(pa.binary()), pa.array([0, *[20_000] * 20_000], pa.int32())
    columns = {
        "bytes": shared(pa.binary()),
        "list": pa.ListArray.from_arrays(ends, lists),
        "struct": pa.StructArray.from_arrays([shared(pa.string())], ["within"]),
        "map": pa.MapArray.from_arrays(ends, pa.array(range(20_000)), lists),
        "text": shared(pa.string()),
        "price": pa.array(np.arange(20_000) % 7 + 0.5),
        "rooms": pa.array(np.arange(20_000) % 5),
    }
    pq.write_table(pa.table(columns), path, compression="zstd")
    assert path.stat().st_size < 1_000_000
    return path


@pytest.mark.parametrize("name", ["bytes", "list", "struct.within", "map", "text"])
def test_a_large_value_of_many_rows_is_held_once(nested, name):
    file = open_file(nested)
    assert file.read(columns=[name]).nbytes < 1_000_000
    assert file.source().take(name).nbytes < 1_000_000
    assert all(batch.nbytes < 1_000_000 for batch in file.batches({}, [name]))


def test_commands_hold_a_large_value_of_many_rows_once(nested, tmp_path, capfd):
    """Each copy of such a column would take 1 GB."""
    run_folder, out = str(tmp_path / "run"), str(tmp_path / "out.parquet")
    fit = ["fit", str(nested), "--epochs", "1", "--no-doctor", "--run", run_folder]
    before = pa.default_memory_pool().max_memory()
    assert run(["inspect", str(nested)]) == 0
    assert capfd.readouterr().out.count("there is no encoding for") == 3
    assert run(["inspect", str(nested), "--target", "text"]) == 1
    assert run(["inspect", str(nested), "--target", "bytes"]) == 1
    assert "The target 'bytes' holds binary" in capfd.readouterr().err
    assert run([*fit, "--target", "price"]) == 0
    predict = ["predict", str(nested), "--run", run_folder]
    assert run([*predict, "-o", out, "--with-input"]) == 0
    assert run([*predict, "--safe-csv", "-o", str(tmp_path / "out.csv")]) == 0
    assert pa.default_memory_pool().max_memory() < before + 300_000_000


def test_text_where_numbers_were_is_refused_without_a_copy_for_each_row(tmp_path):
    schema = Schema.infer(pa.table({"rooms": [1, 2, 4], "y": [0.5, 1.5, 2.5]}))
    words = pa.array(["7", LARGE])
    column = pa.DictionaryArray.from_arrays(
        pa.array([*[0] * 20_000, *[1] * 20_000], pa.int32()), words
    )
    pq.write_table(pa.table({"rooms": column, "y": [0.5] * 40_000}), tmp_path / "a.pq")
    before = pa.default_memory_pool().max_memory()
    with pytest.raises(SchemaError, match="'rooms', row 20001: 'xxx"):
        read_table(tmp_path / "a.pq", schema=schema)
    assert pa.default_memory_pool().max_memory() < before + 300_000_000


def test_values_of_one_length_are_counted_by_it(tmp_path):
    path = tmp_path / "fixed.parquet"
    fixed = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(1_000_000), 300, [None, pa.py_buffer(bytes(300_000_000))]
    )
    pq.write_table(pa.table({"x": fixed}), path, compression="zstd")
    assert path.stat().st_size < 1_000_000
    with pytest.raises(FileReadError, match="unpacks to"):
        open_file(path)


def lie(path, told, said):
    """Write a smaller number into a footer, in as many bytes."""
    content = path.read_bytes()
    start = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    old, new = varint(told), bytearray(varint(said))
    new[-1] |= 128
    new += bytes([128] * (len(old) - len(new) - 1) + [0])
    assert content[start:].count(old) == 2  # of the group, and of its column
    path.write_bytes(content[:start] + content[start:].replace(old, new))


def varint(number):
    number, out = number * 2, bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def test_a_footer_that_claims_less_than_its_pages_hold_is_no_way_around(tmp_path):
    path, zeros = tmp_path / "lie.parquet", pa.array(np.zeros(5_000_000))
    options = {"use_dictionary": False, "compression": "zstd"}
    options |= {"write_statistics": False, "row_group_size": len(zeros)}
    pq.write_table(pa.table({"x": zeros}), path, **options)
    about = pq.ParquetFile(path).metadata.row_group(0).column(0)
    assert path.stat().st_size * 200 < about.total_uncompressed_size
    lie(path, about.total_uncompressed_size, 1_000)
    assert pq.ParquetFile(path).metadata.row_group(0).total_byte_size == 1_000
    with expansion_allowed(1), pytest.MonkeyPatch.context() as patch:
        patch.setattr(parquet, "LEAST_BYTES", 1 << 25)
        with pytest.raises(FileReadError, match="unpacks to"):
            open_file(path)


@pytest.mark.parametrize("encoding", ["DELTA_LENGTH_BYTE_ARRAY", "PLAIN"])
def test_text_is_read_as_it_is_encoded(tmp_path, encoding):
    path = tmp_path / "text.parquet"
    words = pa.array([f"word {number % 100}" for number in range(2_000)])
    options = {"use_dictionary": False, "column_encoding": {"w": encoding}}
    pq.write_table(pa.table({"w": words}), path, **options)
    assert open_file(path).read()["w"].to_pylist() == words.to_pylist()


def test_text_by_its_differences_is_read_within_the_bound_alone(tmp_path, monkeypatch):
    """Each value may be as long as its page: pyarrow unpacks all at once."""
    options = {
        "use_dictionary": False,
        "column_encoding": {"w": "DELTA_BYTE_ARRAY"},
        "compression": "zstd",
    }
    path = tmp_path / "short.parquet"
    words = [f"word {number}" for number in range(1_000)]
    pq.write_table(pa.table({"w": words}), path, **options)
    assert open_file(path).read()["w"].to_pylist() == words
    path = tmp_path / "long.parquet"
    pq.write_table(pa.table({"w": [LARGE] * 1_000}), path, **options)
    monkeypatch.setattr(parquet, "LEAST_BYTES", 1 << 24)
    with pytest.raises(FileReadError, match="unpacks to"):
        open_file(path)


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
