"""What data files may do wrong, and what is said of it."""

import csv
import gzip
import io
import os

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradatim.errors import FileReadError
from gradatim.tables.files.csv_records import records
from gradatim.tables.files.data_file import MISSING_VALUES
from gradatim.tables.files.formats import open_file, written_format
from gradatim.tables.files.text_file import TextFile


def read_columns(path, *, types=None, columns=None, missing=MISSING_VALUES):
    return open_file(path, missing=missing).read(types, columns)


def iter_batches(path, *, types, **options):
    return open_file(path).batches(types, **options)


@pytest.fixture
def write(tmp_path):
    def write(content, name="a.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


MANY = "".join(f"{i},{i}.5\n" for i in range(200_000))

DAMAGE = {
    "too few fields": ("a,b\n1,2\n\n3\n", r"line 4: 1 field where the header has 2"),
    "too many fields": ("a,b\n1,2\n3,4,5\n", r"line 3: 3 fields .*\n.*\n.*double quot"),
    "a row of several lines before": (
        'a,b\n"x\ny\nz",2\n3\n',
        r"line 5: 1 field",
    ),
    "far down": (f"a,b\n{MANY}1\n{MANY}", r"line 200002: 1 field"),
    "not UTF-8": (b"a,b\n1,2\n\xe9t\xe9,3\n", r"line 3, character 1: the byte 0xE9"),
    "not UTF-8, far down": (
        b"a,b\n" + MANY.encode() + b"x\xff,1\n",
        r"line 200002, character 2: the byte 0xFF is not UTF-8(.|\n)*iconv",
    ),
    "not UTF-8 in the header": (b"caf\xe9,b\n1,2\n", r"line 1, character 4"),
    "UTF-16, cut": (
        "a,b\n1,2\n".encode("utf-16")[:-1],
        r"UTF-16 (.|\n)*Save it as CSV",
    ),
    "UTF-16 without a mark": ("a,b\n1,2\n".encode("utf-16-le"), r"NUL byte"),
    "a workbook": (b"PK\x03\x04....", r"Excel workbook"),
    "an open quote": ('a,b\n1,"2\n3,4\n5,6\n', r"line 2: the quote that opens '\"2'"),
    "an open quote, far down": (
        f'a,b\n{MANY}1,"x\n{MANY}',
        r"line 200002: the quote that opens .* is never closed(.|\n)*Close the quote",
    ),
    "an open quote closed by the next": (
        'a,b\n1,"x\n2,y\n3,"z"\n4,w\n',
        r"line 4: 'z\"' follows a closing quote; that quote was opened on line 2",
    ),
    "an open quote on a later line of its record": (
        'a,b\n"two\nlines","2\n3,4\n',
        r"line 3: the quote that opens '\"2' is never closed",
    ),
    "an open quote, lines that end in CR": ('a,b\r1,"2\r3,4\r', r"line 2: the quote"),
    "an open quote around a NUL byte": (
        f'a,b\n{MANY}1,"x\0\n2,3\n',
        r"line 200002: the quote that opens '\"x\\x00' is never closed",
    ),
    "text after a quote": ('a,b\n"1"x,2\n', r"line 2: 'x,2' follows a closing quote"),
    "repeated names": ("a,b,a\n1,2,3\n", r"more than one column is named 'a'"),
    "no name": (
        "a,,b\n1,2,3\n",
        r"line 1: column 2 of 3 has no name(.|\n)*index=False",
    ),
    "only a header": ("a,b\n", r"a header \('a', 'b'\) and no rows"),
    "only a header, no line end": ("a,b", r"and no rows"),
    "only line ends": ("\n\n\n", r"is empty: it holds 3 bytes"),
    "empty": ("", r"is empty: 0 bytes"),
    "spaces as separators": ("a b c\n1 2 3\n", r"looks like 3 columns with spaces"),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_damage_is_told_with_its_line(write, case):
    content, message = DAMAGE[case]
    with pytest.raises(FileReadError, match=message) as caught:
        read_columns(write(content))
    assert len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize("case", sorted(set(DAMAGE) - {"text after a quote"}))
def test_damage_is_told_when_streaming(write, case):
    content, message = DAMAGE[case]
    path = write(content)
    types = {"a": pa.string(), "b": pa.string()}
    with pytest.raises(FileReadError, match=message):
        list(iter_batches(path, types=types))


@pytest.mark.parametrize("columns", [None, ["b"]])
def test_damage_in_a_column_that_is_not_read_is_told(write, columns):
    path = write('a,b\n"x,1\ny,2\nz",3\nw,"4"\n')
    table = read_columns(path, types={"b": pa.float64()}, columns=columns)
    assert table["b"].to_pylist() == [3.0, 4.0]  # the quote pairs up: one long value
    path = write('a,b\n"x,1\ny,2\nz,3\n')
    with pytest.raises(FileReadError, match="line 2: the quote"):
        read_columns(path, types={"b": pa.float64()}, columns=columns)


def test_a_value_of_another_type_is_told_with_line_column_and_value(write):
    path = write(f"a,b\n\n{MANY}\n7,seven\n{MANY}")
    types = {"a": pa.int64(), "b": pa.float64()}
    message = r"line 200004, column 'b': 'seven' is not a number(.|\n)*leave it empty"
    with pytest.raises(FileReadError, match=message):
        read_columns(path, types=types)
    with pytest.raises(FileReadError, match=message):
        read_columns(path, types=types, columns=["b"])
    with pytest.raises(FileReadError, match=message):
        list(iter_batches(path, types=types, columns=["b"]))


@pytest.mark.parametrize(
    ("kind", "value", "wanted"),
    [
        (pa.int64(), "3.5", "a whole number"),
        (pa.bool_(), "maybe", "true or false"),
        (pa.date32(), "2024-02-30", "a date"),
        (pa.time32("s"), "25:00:00", "a time of day"),
        (pa.timestamp("s"), "yesterday", "a date and time without a zone"),
        (pa.float64(), '"x\ny"', "a number"),
    ],
)
def test_values_are_read_strictly(write, kind, value, wanted):
    path = write(f"n,v\n1,\n2,{value}\n")
    with pytest.raises(FileReadError, match=rf"line 3, column 'v': .* is not {wanted}"):
        read_columns(path, types={"v": kind})


@pytest.mark.parametrize("target", ["link.csv", "nowhere.csv"])
def test_a_link_that_leads_to_no_file_is_named(tmp_path, target):
    (tmp_path / "link.csv").symlink_to(target)
    with pytest.raises(FileReadError, match=r"link\.csv is a symbolic link that leads"):
        open_file(tmp_path / "link.csv")


def test_missing_files_and_wrong_paths(write, tmp_path):
    write("a\n1\n", "houses.csv")
    with pytest.raises(FileReadError, match=r"no file .*Did you mean 'houses\.csv'"):
        read_columns(tmp_path / "house.csv")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileReadError, match="is a folder of 0 files"):
        read_columns(tmp_path / "empty")
    with pytest.raises(FileReadError, match=r"suffix that is none of \.csv, \.tsv"):
        read_columns(write("a\n1\n", "houses.doc"))
    with pytest.raises(FileReadError, match=r"no column 'c'\.(.|\n)*'a', 'b'"):
        read_columns(write("a,b\n1,2\n"), columns=["c"], types={})


@pytest.mark.parametrize(
    ("name", "separator"),
    [("a.csv", ","), ("a.csv", ";"), ("a.tsv", "\t"), ("a.txt", "\t"), ("a.csv", "|")],
)
def test_the_separator_is_found(write, name, separator):
    path = write(separator.join(["x", "y"]) + "\n" + separator.join("12") + "\n", name)
    assert read_columns(path).to_pydict() == {"x": [1], "y": [2]}
    assert open_file(path).names == ("x", "y")


def test_an_error_names_the_separator_taken(write):
    with pytest.raises(FileReadError, match=r"1 field .*separator ';'"):
        read_columns(write("a;b\n1;2\n3,4\n"))


def test_separators_inside_a_quoted_name_do_not_count(write):
    path = write('"a;b;c",d\n1,2\n')
    assert read_columns(path).column_names == ["a;b;c", "d"]


def test_decimal_commas_of_files_with_semicolons(write):
    path = write("a;b\n1,5;x\n-2,25;y\n")
    assert read_columns(path)["a"].to_pylist() == ["1,5", "-2,25"]  # by the schema
    types = {"a": pa.float64()}
    assert read_columns(path, types=types)["a"].to_pylist() == [1.5, -2.25]
    assert read_columns(write("a;b\n1.5;2,3\n2.5;x\n"))["a"].to_pylist() == [1.5, 2.5]


def test_line_ends_marks_and_packed_files(write):
    expected = {"a": [1, 2], "b": ["x", "y"]}
    assert read_columns(write("a,b\r\n1,x\r\n2,y\r\n")).to_pydict() == expected
    assert read_columns(write("a,b\r1,x\r2,y")).to_pydict() == expected
    assert read_columns(write("\ufeffa,b\n1,x\n2,y\n")).to_pydict() == expected
    packed = gzip.compress(b"a,b\n1,x\n2,y\n")
    assert read_columns(write(packed, "a.csv.gz")).to_pydict() == expected
    with pytest.raises(FileReadError, match="cannot be opened"):
        read_columns(write(packed[:12], "a.csv.gz"))


def test_values_of_several_lines_and_doubled_quotes(write):
    path = write('a,b\n"two\nlines","say ""hi"""\n5" pipe,y\n')
    table = read_columns(path)
    assert table["a"].to_pylist() == ["two\nlines", '5" pipe']
    assert table["b"].to_pylist() == ['say "hi"', "y"]


def test_a_value_larger_than_a_block(write):
    path = write('a,b\n1,"' + "x\n" * 2_000_000 + '"\n2,y\n')
    assert len(read_columns(path)["b"][0].as_py()) == 4_000_000


def test_missing_values_are_the_same_in_text_and_numbers(write):
    path = write("n,t\n1,x\nNA,NA\n,\nnull,null\nnan,None\n")
    table = read_columns(path)
    assert table["n"].to_pylist() == [1, None, None, None, None]
    assert table["t"].to_pylist() == ["x", None, None, None, None]
    table = read_columns(write("n,t\n1,NA\n?,x\n"), missing=("?",))
    assert table.to_pydict() == {"n": [1, None], "t": ["NA", "x"]}


@pytest.mark.parametrize("late", ["text", "2.5", "", "00501", "9" * 25])
def test_types_are_those_of_the_whole_file(write, late):
    path = write("a\n" + "7\n" * 600_000 + f"{late}\n7\n")
    expected = {
        "text": pa.string(),
        "2.5": pa.float64(),
        "": pa.int64(),
        "00501": pa.string(),
        "9" * 25: pa.string(),
    }
    values = read_columns(path)["a"]
    kind = values.type
    assert (kind.value_type if pa.types.is_dictionary(kind) else kind) == expected[late]
    if late in ("text", "00501"):
        assert values[-2].as_py() == late


def test_columns_empty_at_first_are_typed_by_what_comes_later(write):
    start = "a,b\n" + ",1\n" * 400_000
    for end in (["007", "12"], [7.0, 2.5], ["x", "7"], [True, False]):
        path = write(start + "".join(f"{value},1\n" for value in end).lower())
        assert read_columns(path)["a"].drop_null().to_pylist() == end


@pytest.mark.parametrize("order", [1, -1])
def test_zeros_before_a_column_of_fractions_are_no_names(write, order):
    values = ["007", *["8"] * 600_000, "2.5"][::order]
    read = read_columns(write("a\n" + "\n".join(values) + "\n"))["a"]
    assert read.to_pylist() == [float(value) for value in values]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["00501", "10001"], pa.string()),
        (["0x1F", "12"], pa.string()),
        (["-007", "12"], pa.int64()),
        (["0", "10"], pa.int64()),
        (["0.5", "-0.25"], pa.float64()),
        (["18446744073709551615", "1"], pa.string()),
        (["1e30", "18446744073709551615"], pa.float64()),
        (["9223372036854775807", "1"], pa.int64()),
    ],
)
def test_names_that_look_like_numbers_stay_text(write, values, kind):
    rows = "".join(f"{value},08:30\n" for value in values)
    read = read_columns(write("a,time\n" + rows))["a"]
    text = read.type
    assert (text.value_type if pa.types.is_dictionary(text) else text) == kind
    if kind == pa.string():
        assert read.to_pylist() == values
    elsewhere = read_columns(write("a;b\n" + "".join(f"{v};0\n" for v in values)))["a"]
    assert elsewhere.type == text


def test_whole_numbers_beside_names_with_zeros(write):
    path = write("zip,n,f\n00501,1,1\n10001, 2,2.5\n")
    table = read_columns(path)
    assert table["n"].to_pylist() == [1, 2]
    assert table["f"].to_pylist() == [1.0, 2.5]


def test_parquet(write, tmp_path):
    table = pa.table({"a": [1, 2, None], "b": ["x", "y", "x"]})
    path = tmp_path / "a.parquet"
    pq.write_table(table, path)
    assert read_columns(path).to_pydict() == table.to_pydict()
    assert open_file(path).names == ("a", "b")
    assert read_columns(path, columns=["b", "a"]).column_names == ["b", "a"]
    batches = list(iter_batches(path, types={}, columns=["b"], batch_rows=2))
    assert [batch.to_pydict() for batch in batches] == [{"b": ["x", "y"]}, {"b": ["x"]}]
    source = open_file(path).source()
    assert source.num_rows == 3
    assert source.take("a").to_pylist() == [1, 2, None]
    with pytest.raises(FileReadError, match=r"no column 'aa'.*Did you mean 'a'"):
        read_columns(path, columns=["aa"])
    content = path.read_bytes()
    for damaged in (content[:-20], content[:40], b"a,b\n1,2\n"):
        with pytest.raises(FileReadError, match="cannot be read as Parquet"):
            read_columns(write(damaged, "b.parquet"))
    pq.write_table(table.slice(0, 0), path)
    with pytest.raises(FileReadError, match="and no rows"):
        read_columns(path)
    pq.write_table(pa.table([[1], [2]], names=["a", "a"]), path)
    with pytest.raises(FileReadError, match="more than one column is named 'a'"):
        read_columns(path)


@pytest.mark.parametrize("name", ["a.csv", "a.CSV", "a.parquet", "a.pq"])
def test_what_a_format_writes_it_reads(tmp_path, name):
    table, path = pa.table({"a": [1, 2], "b": [0.5, 1.5]}), tmp_path / name
    with path.open("wb") as file:
        writer = written_format(path).writer(file, table.schema)
        writer.write(table)
        writer.close()
    assert read_columns(path).equals(table)


def test_a_format_that_is_only_read_is_not_written(tmp_path):
    for name in ("a.tsv", "a.csv.gz", "a.xlsx", "a"):
        assert written_format(tmp_path / name) is None


def test_streaming_gives_what_reading_gives(write):
    path = write("a,b\n" + MANY)
    types = {"a": pa.int64(), "b": pa.float64()}
    batches = list(iter_batches(path, types=types, batch_rows=1_000))
    assert max(batch.num_rows for batch in batches) == 1_000
    assert pa.Table.from_batches(batches).equals(read_columns(path, types=types))


def test_a_source_has_the_types_that_reading_has(write):
    values = ["18446744073709551615,00501,1e30,1", "1,10001,18446744073709551615,2"]
    path = write("a,b,c,d\n" + "\n".join(values) + "\n")
    table, source = read_columns(path), open_file(path).source()
    for name in table.column_names:
        assert source.take(name).to_pylist() == table[name].to_pylist()


def test_a_source_narrows_doubles_where_float32_will_do(write):
    rows = "".join(f"{i / 7},{1e9 + i / 7},{i},5.5,1e39\n" for i in range(1_000))
    source = open_file(write("a,b,c,d,e\n" + rows)).source(doubles=["d"])
    kinds = {name: source.take(name).type for name in source.names}
    assert list(kinds) == ["a", "b", "c", "d", "e"]
    assert kinds["a"] == pa.float32()
    assert kinds["b"] == kinds["d"] == kinds["e"] == pa.float64()
    assert kinds["c"] == pa.int64()


def test_records_of_any_length_leave_the_limit_of_the_process_alone(write):
    path = write('a,b\n1,"' + "x" * 200_000 + '"\n')
    before = csv.field_size_limit()
    rows = records(TextFile(path), ",")
    assert next(rows).fields == ["a", "b"]
    assert csv.field_size_limit() == before
    assert len(next(rows).fields[1]) == 200_000
    assert csv.field_size_limit() == before


FIELD = st.text(alphabet='ab1 ,"\n\r;é', max_size=4)


@given(
    rows=st.lists(st.lists(FIELD, min_size=1, max_size=3), min_size=1, max_size=8),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_records_and_lines_are_those_of_the_csv_module(rows, end, tmp_path_factory):
    text = io.StringIO()
    csv.writer(text, lineterminator=end).writerows(rows)
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    path.write_bytes(text.getvalue().encode())
    reader = csv.reader(io.StringIO(text.getvalue(), newline=""), strict=True)
    expected, last = [], 0
    for fields in reader:
        if fields:
            expected.append((last + 1, fields))
        last = reader.line_num
    assert [(r.line, r.fields) for r in records(TextFile(path), ",")] == expected


CELL = st.sampled_from(["1", "2.5", "x", '"q"', '"a,b"', '"two\nlines"', '""', ""])
ROW = st.lists(CELL, min_size=3, max_size=3).map(",".join)


@given(
    rows=st.lists(st.one_of(ROW, ROW, ROW, st.just("")), min_size=1, max_size=30),
    place=st.integers(0, 29),
    damage=st.sampled_from(["1,2", "1,2,3,4", "9", "1,é,3"]),
)
def test_the_line_told_is_the_line_of_the_damage(rows, place, damage, tmp_path_factory):
    place = min(place, len(rows))
    lines = ["a,b,c", "x,y,z", *rows[:place]]
    content = "\n".join([*lines, damage, *rows[place:]]).encode()
    content = content.replace("é".encode(), b"\xe9")
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    path.write_bytes(content)
    line = "\n".join(lines).count("\n") + 2
    with pytest.raises(FileReadError, match=rf"a\.csv, line {line}[:,]"):
        read_columns(path)


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".parquet"])
def test_a_file_whose_name_is_no_utf8_is_read(suffix, tmp_path):
    """Linux allows any bytes in a name."""
    path = tmp_path / os.fsdecode(b"b\xff" + suffix.encode())
    table = pa.table({"a": [1, 2, 3]})
    if suffix == ".parquet":
        with path.open("wb") as file:
            pq.write_table(table, file)
    else:
        text = b"a\n1\n2\n3\n"
        path.write_bytes(gzip.compress(text) if suffix.endswith(".gz") else text)
    assert open_file(path).read().to_pydict() == {"a": [1, 2, 3]}
    (batch,) = open_file(path).batches({})
    assert batch.num_rows == 3
