"""Kinds of files that people have: each is read so, or refused with this message."""

import bz2
import gzip
import io
import json
import lzma
import re
import zipfile

import numpy as np
import openpyxl
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
from pyarrow import orc

from gradatim.cli.main import run
from gradatim.errors import ConfigError, FileReadError, SchemaError
from gradatim.tables.files.arrow_file import _without_view
from gradatim.tables.files.formats import open_file
from gradatim.tables.files.reading import Reading
from gradatim.tables.schema.schema import Schema
from gradatim.tables.table import read_table

CSV = b"x,y\n1.5,a\n2.5,b\n"
ROWS = {"x": [1.5, 2.5], "y": ["a", "b"]}
TABLE = pa.table(ROWS)
LINES = b'{"x": 1.5, "y": "a"}\n\n{"y": "b", "x": 2.5}\n'
STRUCTS = pa.table({"x": [1], "at": [{"lat": 0.5, "in": {"z": 2}}]})
OPENED = {"x": [1], "at.lat": [0.5], "at.in.z": [2]}


def archive(*files, method=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as file:
        for name, content in files:
            file.writestr(name, content)
    return out.getvalue()


def written(write, *arguments, **options):
    out = io.BytesIO()
    write(*arguments, out, **options)
    return out.getvalue()


def zstd(content):
    return pa.compress(content, "zstd", asbytes=True)


def stream(table, **options):
    out = io.BytesIO()
    with pa.ipc.new_stream(out, table.schema, **options) as writer:
        writer.write_table(table)
    return out.getvalue()


VIEWS = TABLE.set_column(1, "y", TABLE["y"].cast(pa.string_view()))
ZEROS = pa.table({"x": pa.nulls(10**9)})
LONG = "\n".join(f'{{"n{i}": 1}}' for i in range(4_000)).encode()

PACKED = {
    "gzip": ("a.csv.gz", gzip.compress(CSV), ROWS),
    "bzip2": ("a.csv.bz2", bz2.compress(CSV), ROWS),
    "xz": ("a.csv.xz", lzma.compress(CSV), ROWS),
    "xz of several streams": (
        "a.csv.xz",
        lzma.compress(CSV[:8]) + lzma.compress(CSV[8:]),
        ROWS,
    ),
    "zstd": ("a.csv.zst", zstd(CSV), ROWS),
    "zip": ("a.zip", archive(("b/a.csv", CSV), ("__MACOSX/._a.csv", b"x")), ROWS),
    "zip with JSON lines in it": ("a.zip", archive(("a.jsonl", LINES)), ROWS),
    "zip of two": ("a.zip", archive(("a.csv", CSV), ("b.csv", CSV)), "holds 2 files"),
    "zip of none": ("a.zip", archive(), "holds 0 files"),
    "zip of an unknown kind": (
        "a.zip",
        archive(("a.doc", CSV)),
        r"file in it is a\.doc",
    ),
    "zip packed by lzma": (
        "a.zip",
        archive(("a.csv", CSV), method=zipfile.ZIP_LZMA),
        "packed by method 14",
    ),
    "cut bzip2": ("a.csv.bz2", bz2.compress(CSV)[:-9], "cannot be opened and unpacked"),
    "cut xz": ("a.csv.xz", lzma.compress(CSV)[:-9], "cannot be opened and unpacked"),
    "cut zstd": ("a.csv.zst", zstd(CSV)[:-9], "cannot be opened and unpacked"),
    "cut zip": ("a.csv.zip", archive(("a.csv", CSV))[:-9], "cannot be opened and unp"),
    "no xz": ("a.csv.xz", CSV, "cannot be opened and unpacked"),
    "zstd of zeros": (
        "a.csv.zst",
        zstd(b"x\n" + b"0\n" * (1 << 25)),
        r"unpacks to .* or more(.|\n)*--max-expand",
    ),
    "packed Parquet": ("a.parquet.gz", CSV, "packed in itself(.|\n)*Unpack it"),
}
JSON = {
    "JSON lines": ("a.jsonl", LINES, ROWS),
    "JSON lines, packed": ("a.ndjson.gz", gzip.compress(LINES), ROWS),
    "JSON, a list of objects": ("a.json", json.dumps(TABLE.to_pylist()).encode(), ROWS),
    "JSON lines called .json": ("a.json", LINES, ROWS),
    "JSON lines, a name missing": (
        "a.jsonl",
        b'{"x": 1}\n{"y": "b"}',
        {"x": [1, None], "y": [None, "b"]},
    ),
    "JSON lines, objects in objects": (
        "a.jsonl",
        b'{"x": 1, "at": {"lat": 0.5, "in": {"z": 2}}}',
        OPENED,
    ),
    "JSON lines, a list": ("a.jsonl", b'{"x": [1, "a"]}', {"x": ['[1, "a"]']}),
    "JSON lines, mixed": ("a.jsonl", b'{"x": 1}\n{"x": "b"}', {"x": ["1", "b"]}),
    "JSON lines, damaged": ("a.jsonl", LINES + b'{"x":', r"line 4: Expecting value"),
    "JSON lines, no object": ("a.jsonl", b"[1, 2]", r"line 1: \[1, 2\] is no object"),
    "JSON lines, two of a name": ("a.jsonl", b'{"a.b": 1, "a": {"b": 2}}', "twice"),
    "JSON lines, no UTF-8": ("a.jsonl", b'{"x": "\xe9"}', "line 1: the byte 0xE9"),
    "JSON lines, deep": ("a.jsonl", b'{"x": ' + b"[" * 99_999, "nested too deeply"),
    "JSON lines, half a character": ("a.jsonl", b'{"\\ud800": 1}', "half of a char"),
    "JSON lines, names of values": ("a.jsonl", LONG, "names would make"),
    "JSON lines, empty objects": ("a.jsonl", b"{}\n{}\n", "2 objects, and no value"),
    "JSON lines, only line ends": ("a.jsonl", b"\n\n", "0 objects, and no value"),
}
TYPED = {
    "Feather": ("a.feather", written(feather.write_feather, TABLE), ROWS),
    "Feather, packed by zstd": (
        "a.feather",
        written(feather.write_feather, TABLE, compression="zstd"),
        ROWS,
    ),
    "Arrow stream": ("a.arrow", stream(TABLE), ROWS),
    "Arrow, views of texts": ("a.arrow", stream(VIEWS), ROWS),
    "Arrow, structs": ("a.arrow", stream(STRUCTS), OPENED),
    "Arrow, rows without bytes": ("a.arrow", stream(ZEROS), "--max-expand"),
    "Arrow, damaged": ("a.arrow", stream(TABLE)[:-30], "cannot be read as Arrow"),
    "Arrow, no rows": ("a.arrow", stream(TABLE.slice(0, 0)), "and no rows"),
    "Feather of version 1": ("a.feather", b"FEA1....", "Feather of version 1"),
    "ORC": ("a.orc", written(orc.write_table, TABLE), ROWS),
    "ORC, structs": ("a.orc", written(orc.write_table, STRUCTS), OPENED),
    "ORC, damaged": ("a.orc", written(orc.write_table, TABLE)[:-9], "read as ORC"),
    "Parquet": ("a.parquet", written(pq.write_table, TABLE), ROWS),
    "Parquet, structs": ("a.parquet", written(pq.write_table, STRUCTS), OPENED),
}
REFUSED = {
    "old Excel": ("a.xls", b"\xd0\xcf\x11\xe0", r"old Excel workbook(.|\n)*\.xlsx"),
    "pickle": ("a.pkl", b"\x80\x04.", "is a pickle(.|\n)*would run whatever code"),
    "SQLite": ("a.db", b"SQLite format 3", "data base(.|\n)*Export"),
    "Stata": ("a.dta", b"..", r"Stata(.|\n)*read_stata"),
    "an unknown suffix": ("a.what", b"..", "suffix that is none of"),
}
SUMS = b"x,y\na,1.5\nb,2.5\n"
TEXT = {
    "UTF-16": ("a.csv", CSV.decode().encode("utf-16"), ROWS),
    "UTF-16, the other order": (
        "a.csv",
        b"\xfe\xff" + CSV.decode().encode("utf-16-be"),
        ROWS,
    ),
    "UTF-32": ("a.csv", CSV.decode().encode("utf-32"), ROWS),
    "UTF-16, packed": ("a.csv.gz", gzip.compress(CSV.decode().encode("utf-16")), ROWS),
    "UTF-16, cut": (
        "a.csv",
        CSV.decode().encode("utf-16")[:-1],
        "begins as UTF-16 does",
    ),
    "UTF-16 without a mark": ("a.csv", CSV.decode().encode("utf-16-le"), "NUL byte"),
    "an index of pandas": ("a.csv", b",x,y\n0,1.5,a\n1,2.5,b\n", ROWS),
    "an index of R": ("a.csv", b'"","x","y"\n"1",1.5,"a"\n"2",2.5,"b"\n', ROWS),
    "commas at the ends": ("a.csv", b"x,y,,\n1.5,a,,\n2.5,b,,\n", ROWS),
    "a column of values without a name": (
        "a.csv",
        b"x,,y\n1,2,3\n",
        "column 2 of 3 has",
    ),
    "sep=": ("a.csv", b"sep=;\nx;y\n1.5;a\n2.5;b\n", ROWS),
    "sep= of a tab": ("a.csv", b"sep=\t\r\nx\ty\r\n1.5\ta\r\n2.5\tb\r\n", ROWS),
    "sep= of no ASCII": ("a.csv", b"sep=\xff\n1;2\n3;4\n", r"line 1(.|\n)*not UTF-8"),
    "sep= of nothing": (
        "a.csv",
        b"sep=\r\n1\r\n2\r\n",
        {"sep=": [1, 2]},
    ),
    "a title": ("a.csv", b"Report of houses\n\n" + CSV, ROWS),
    "titles with commas": ("a.csv", b"Houses, 2023\nby A\nx;y\n1.5;a\n2.5;b\n", ROWS),
    "a title, CRLF": ("a.csv", b"Report\r\n" + CSV.replace(b"\n", b"\r\n"), ROWS),
    "a title in UTF-16": ("a.csv", ("Report\n" + CSV.decode()).encode("utf-16"), ROWS),
    "comments": ("a.csv", b"# of A\n# of B\n" + CSV + b"# end, of it, all\n", ROWS),
    "a comment with a mark": ("a.csv", b"\xef\xbb\xbf# of A\n" + CSV, ROWS),
    "a header with #": (
        "a.csv",
        b"#x,y\n1.5,a\n2.5,b\n",
        {"#x": [1.5, 2.5], "y": ["a", "b"]},
    ),
    "a value with #": ("a.csv", b"y,x\n#a,1\n#b,2\n", {"y": ["#a", "#b"], "x": [1, 2]}),
    "spaces after commas": ("a.csv", b"x, y\n1.5, a\n2.5,  b\n", ROWS),
    "spaces before quotes": (
        "a.csv",
        b'x, y\n1.5, "a, b"\n2.5, "c\nd, e"\n',
        {"x": [1.5, 2.5], "y": ["a, b", "c\nd, e"]},
    ),
    "a space in one value": (
        "a.csv",
        b"x,y\n1, a\n2,b\n",
        {"x": [1, 2], "y": [" a", "b"]},
    ),
    "a header again": ("a.csv", CSV + CSV, "line 4 repeats the header"),
    "a header again, of texts": ("a.csv", b"y,z\na,b\ny,z\nc,d\n", "line 3 repeats"),
    "a name as a value": ("a.csv", b"y,x\ny,1\nb,2\n", {"y": ["y", "b"], "x": [1, 2]}),
    "a total": (
        "a.csv",
        SUMS + b"Total,4.0\n",
        r"line 4 \(Total\) is a total: its 'y'",
    ),
    "a total that is none": (
        "a.csv",
        SUMS + b"Total,3.0\n",
        {"x": ["a", "b", "Total"], "y": [1.5, 2.5, 3.0]},
    ),
    "fewer fields further down": ("a.csv", b"x,y\n1,2\n3\n", "line 3: 1 field where"),
    "a wrong header": ("a.csv", b"x\n1,2\n3,4\n5,6\n", "line 2: 2 fields where"),
}


def book(*sheets):
    made = openpyxl.Workbook()
    made.remove(made.active)
    for name, rows in sheets:
        sheet = made.create_sheet(name)
        for row in rows:
            sheet.append(row)
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


SHEET = [["x", "y"], [1.5, "a"], [2.5, "b"]]


def with_sheet_data(data):
    """Give a workbook with other XML as the rows of its sheet."""
    out, source = io.BytesIO(), zipfile.ZipFile(io.BytesIO(book(("S", SHEET))))
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name in source.namelist():
            content = source.read(name)
            if "worksheets/" in name:
                content = re.sub(rb"<sheetData>.*</sheetData>", data, content)
            file.writestr(name, content)
    return out.getvalue()


FAR = b'<sheetData><row r="1"><c r="A1"><v>1</v></c></row><row r="%d"><c r="A1">'
FAR = FAR % 10**12 + b"<v>2</v></c></row></sheetData>"
EXCEL = {
    "Excel": ("a.xlsx", book(("S", SHEET)), ROWS),
    "Excel, an index": (
        "a.xlsx",
        book(("S", [[None, "x", "y"], [0, 1.5, "a"], [1, 2.5, "b"]])),
        ROWS,
    ),
    "Excel, a title": ("a.xlsx", book(("S", [["Houses"], [], *SHEET])), ROWS),
    "Excel, mixed": (
        "a.xlsx",
        book(("S", [["x"], [1], ["?"]])),
        {"x": ["1", "?"]},
    ),
    "Excel, two sheets": (
        "a.xlsx",
        book(("S", SHEET), ("T", SHEET)),
        "has 2 sheets: 'S', 'T'(.|\\n)*--sheet 'S'",
    ),
    "Excel, empty": ("a.xlsx", book(("S", [])), "has no values"),
    "Excel, only a header": ("a.xlsx", book(("S", SHEET[:1])), "and no rows"),
    "Excel, a name twice": (
        "a.xlsx",
        book(("S", [["x", "x"], [1, 2]])),
        "is named 'x'",
    ),
    "Excel, cut": ("a.xlsx", book(("S", SHEET))[:-60], "cannot be read as an Excel"),
    "Excel, no workbook": ("a.xlsx", CSV, "cannot be read as an Excel"),
    "Excel, a row far below": ("a.xlsx", with_sheet_data(FAR), "are more than a file"),
}
KINDS = EXCEL | PACKED | TEXT | JSON | TYPED | REFUSED


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_read_so_or_refused_so(kind, tmp_path, monkeypatch):
    monkeypatch.setattr("gradatim.tables.files.json_lines.FREE_CELLS", 1_000_000)
    name, content, expected = KINDS[kind]
    path = tmp_path / name
    path.write_bytes(content)
    if isinstance(expected, str):
        with pytest.raises(FileReadError, match=expected) as caught:
            open_file(path).read()
        assert str(path) in str(caught.value)
        return
    file = open_file(path)
    assert file.names == tuple(expected)
    assert file.read().to_pydict() == expected
    last = file.names[-1]
    assert file.read(columns=[last]).to_pydict() == {last: expected[last]}
    source = file.source()
    assert source.num_rows == len(expected[last])
    assert {n: source.take(n).to_pylist() for n in source.names} == expected
    (batch,) = file.batches({}, list(file.names))
    assert batch.to_pydict() == expected
    assert file.where([0])[0].startswith(("line", "row"))


def test_lines_of_json_are_counted_with_empty_ones(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(LINES)
    assert open_file(path).where([0, 1]) == ["line 1", "line 3"]
    path = tmp_path / "a.json"
    path.write_bytes(json.dumps([{"x": 1}, {"x": 2}]).encode())
    assert open_file(path).where([0, 1]) == ["row 1", "row 2"]


def test_texts_that_share_their_bytes_are_counted_each():
    """A view of texts may show the same megabyte in every row."""
    one = pa.array(["x" * 1_000_000], pa.string_view())
    views = one.buffers()[1].to_pybytes() * 1_000
    shared = [None, pa.py_buffer(views), *one.buffers()[2:]]
    texts = pa.Array.from_buffers(pa.string_view(), 1_000, shared)
    assert _without_view(texts.slice(0, 2), 2_000_000).to_pylist() == ["x" * 10**6] * 2
    with pytest.raises(ValueError, match="its texts hold more than"):
        _without_view(texts, 2_000_000)


def test_a_buffer_that_unpacks_to_too_much_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr("gradatim.tables.files.arrow_file.LEAST_BYTES", 1_000)
    table = pa.table({"x": np.zeros(1_000_000)})
    path = tmp_path / "a.feather"
    feather.write_feather(table, path, compression="zstd")
    with pytest.raises(FileReadError, match=r"unpacks to(.|\n)*--max-expand"):
        open_file(path)


@pytest.mark.parametrize(
    ("before", "line", "note"),
    [
        (
            b"Report\n\n",
            4,
            "lines before the header left out: 'Report'; the header is on",
        ),
        (b"# a\n# b\n", 4, "2 lines that begin with # left out"),
        (b"sep=,\n", 3, None),
        (b"", 2, None),
    ],
)
def test_lines_keep_their_numbers(before, line, note, tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(before + CSV + b"z,1,2\n")
    with pytest.raises(FileReadError, match=f"line {line + 2}: 3 fields"):
        open_file(path).read()
    path.write_bytes(before + CSV)
    file = open_file(path)
    assert file.where([0, 1]) == [f"line {line}", f"line {line + 1}"]
    assert [n for n in file.notes if note and n.startswith(note)] or not note
    assert file.notes == file.source().notes


def test_a_column_without_a_name_is_told(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b",x\n7,1\n8,2\n")
    table = read_table(path)
    assert [column.name for column in table.schema.columns] == ["x"]
    assert "the first column has no name (7, ...)" in table.notices.lines()[0]
    again = read_table(path, schema=table.schema)
    assert again.notices.lines() == table.notices.lines()


def test_a_header_again_is_told_where_types_are_known(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(CSV + CSV)
    with pytest.raises(FileReadError, match="line 4 repeats the header"):
        open_file(path).read({"x": pa.float64(), "y": pa.string()})


def test_a_sheet_is_taken_by_name_and_kept_with_the_schema(tmp_path):
    path, other = tmp_path / "a.xlsx", tmp_path / "b.csv"
    path.write_bytes(book(("S", [["x"], [1]]), ("T", [["x"], [5], [6]])))
    other.write_bytes(b"x\n9\n")
    table = read_table(path, sheet="T")
    assert table.x["numbers"].tolist() == [[5.0], [6.0]]
    schema = Schema.from_dict(json.loads(json.dumps(table.schema.to_dict())))
    assert schema == table.schema
    assert read_table(path, schema=schema).x["numbers"].tolist() == [[5.0], [6.0]]
    assert read_table(path, schema=schema, sheet="S").x["numbers"].tolist() == [[1.0]]
    for encoding in (None, "cp1252"):
        again = read_table(other, schema=schema, encoding=encoding)
        assert again.x["numbers"].tolist() == [[9.0]]
    with pytest.raises(FileReadError, match=r"no sheet 'U'(.|\n)*'S', 'T'"):
        read_table(path, sheet="U")
    with pytest.raises(ConfigError, match="--sheet is for"):
        read_table(other, sheet="T")
    with pytest.raises(SchemaError, match="a reading of"):
        Schema.from_dict(table.schema.to_dict() | {"reading": {"module": "os"}})


@pytest.mark.parametrize("name", ["cp1252", "utf-8", "utf-16-le", "shift_jis"])
def test_a_text_is_read_in_the_encoding_that_is_named(name, tmp_path):
    words = "\u65e5\u672c" if name == "shift_jis" else "\u00e9t\u00e9"
    path = tmp_path / "a.csv"
    path.write_bytes(f"x,{words}\n1,{words}\n2,b\n".encode(name))
    file = open_file(path, reading=Reading(encoding=name))
    assert file.read().to_pydict() == {"x": [1, 2], words: [words, "b"]}
    schema = read_table(path, encoding=name).schema
    assert schema.to_dict()["reading"] == {"encoding": name}


@pytest.mark.parametrize("name", ["rot13", "base64", "what", "\0"])
def test_what_is_no_encoding_of_text_is_refused(name, tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(CSV)
    with pytest.raises(FileReadError, match="is no encoding of text"):
        open_file(path, reading=Reading(encoding=name))


def test_bytes_that_are_no_utf8_name_the_option(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"x\n\xe9\n")
    with pytest.raises(FileReadError, match="--encoding cp1252"):
        open_file(path).read()
    with pytest.raises(FileReadError, match="is not in ascii"):
        open_file(path, reading=Reading(encoding="ascii"))


def test_a_run_reads_later_files_as_it_read_its_own(tmp_path, capfd):
    rows = [["x", "y"], *([i % 7, i % 5 + 0.5] for i in range(40))]
    path, folder = tmp_path / "a.xlsx", str(tmp_path / "run")
    path.write_bytes(book(("S", [["no table"]]), ("T", rows)))
    fit = ["fit", str(path), "--target", "y", "--epochs", "1", "--run", folder]
    assert run([*fit, "--sheet", "T", "--no-doctor"]) == 0
    for command in ("predict", "evaluate"):
        assert run([command, str(path), "--run", folder]) == 0
        assert run([command, str(path), "--run", folder, "--sheet", "S"]) == 1
    assert run(["predict", "--test-rows", "--with-input", "--run", folder]) == 0
    assert run(["resume", "--epochs", "2", "--run", folder]) == 0
    assert "Traceback" not in capfd.readouterr().err


SKIP = Reading(skip_bad_lines=True)
BAD_LINES = {
    "a header again": (CSV + b"x,y\n3.5,c\n", [4], "line 4 repeats the header"),
    "a header again, an index": (
        b",y\n0,a\n,y\n1,b\n",
        [3],
        "line 3 repeats the header",
    ),
    "more fields, fewer fields": (
        b'x,y\n1,2,3\n1.5,a\n"two\nlines"\n2.5,b\n7',
        [2, 4, 7],
        "line 2 has 3 fields where the header has 2; line 4 has 1 field",
    ),
    "line ends of old Macs": (b"x,y\r1,a\r2\r3,c\r", [3], "line 3 has 1 field"),
    "a mark, and CRLF": (b"\xef\xbb\xbfx,y\r\n1\r\n2,b\r\n", [2], "line 2 has 1 field"),
    "packed": (gzip.compress(b"x,y\n1\n2,b\n"), [2], "line 2 has 1 field"),
    "totals": (
        b"x,y\na,1.5\nb,2.5\nTotal,4\nc,1\nd,2\nTotal,3\nGrand total,7\n",
        [4, 7, 8],
        r"line 4 \(Total\) is a total: its 'y' is the sum",
    ),
    "a total of decimal commas": (
        b"x;y\na;1,5\nb;2,75\nSumme;4,25\n",
        [4],
        r"line 4 \(Summe\) is a total",
    ),
    "a total below a header again": (
        b"x,y\na,1\nx,y\nb,2\nTotal,3\n",
        [3, 5],
        "line 3 .*; line 5",
    ),
    "more than are named": (CSV + 9 * b"z\n", range(4, 13), "and 4 more$"),
}


@pytest.mark.parametrize("kind", BAD_LINES)
def test_bad_lines_are_refused_or_left_out_and_told(kind, tmp_path):
    content, bad, note = BAD_LINES[kind]
    path = tmp_path / ("a.csv.gz" if kind == "packed" else "a.csv")
    path.write_bytes(content)
    with pytest.raises(FileReadError, match=f"line {bad[0]}(.|\\n)*--skip-bad-lines"):
        open_file(path).source()
    file = open_file(path, reading=SKIP)
    source = file.source()
    plain = gzip.decompress(content) if kind == "packed" else content
    lines = plain.decode("utf-8-sig").splitlines()
    gone = {*bad, 5} if "two\nlines" in plain.decode() else {*bad}
    kept = [n for n in range(2, len(lines) + 1) if n not in gone]
    assert file.where(range(source.num_rows)) == [f"line {line}" for line in kept]
    path.with_name("b.csv").write_text("\n".join(lines[n - 1] for n in [1, *kept]))
    assert open_file(path.with_name("b.csv")).read() == file.read()
    (told,) = [n for n in file.notes if "left out, and no row" in n]
    assert re.search(note, told)
    assert told.startswith(f"{len(bad)} line")


def test_where_no_line_is_bad_nothing_is_said_or_left_out(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(SUMS + b"Total,3.0\n")
    file = open_file(path, reading=SKIP)
    assert (file.notes, file.source().num_rows) == ((), 3)
    path.write_bytes(b"x\n1,2\n3,4\n")
    with pytest.raises(FileReadError, match="no line that is a row: line 2 has 2"):
        open_file(path, reading=SKIP)
    path.write_bytes(b'x,y\n1\n2,"a\n')
    with pytest.raises(FileReadError, match="line 3: the quote"):
        open_file(path, reading=SKIP)


def test_a_run_leaves_bad_lines_out_of_later_files_too(tmp_path, capfd):
    path, new = tmp_path / "a.csv", tmp_path / "new.csv"
    folder = str(tmp_path / "run")
    rows = [f"{i % 7},{i % 5 + 0.5}" for i in range(40)]
    path.write_text("\n".join(["x,y", *rows[:20], "x,y", *rows[20:], "end"]))
    new.write_text("x,y\n1,2\n3\n4,5\n")
    fit = ["fit", str(path), "--target", "y", "--epochs", "1", "--run", folder]
    assert run([*fit, "--no-doctor"]) == 1
    assert "line 43: 1 field where" in capfd.readouterr().err
    assert run([*fit, "--no-doctor", "--skip-bad-lines"]) == 0
    told = "2 lines are left out, and no row of the table or of answers: line 22"
    assert told in capfd.readouterr().err
    for command in ("predict", "evaluate"):
        assert run([command, str(new), "--run", folder]) == 0
        out, err = capfd.readouterr()
        assert "line 3 has 1 field where the header has 2" in err
        if command == "predict":
            assert len(out.splitlines()) == 1 + 2
    assert run(["predict", "--test-rows", "--with-input", "--run", folder]) == 0
    assert run(["resume", "--epochs", "2", "--run", folder]) == 0
    assert run(["inspect", str(path), "--skip-bad-lines"]) == 0
    assert run(["inspect", str(path)]) == 1
    damaged = read_table(new, skip_bad_lines=True).schema.to_dict()
    assert damaged["reading"] == {"skip_bad_lines": True}
    for value in (False, 1, "yes"):
        with pytest.raises(SchemaError, match="a reading of"):
            Schema.from_dict(damaged | {"reading": {"skip_bad_lines": value}})


BARE = Reading(no_header=True)
NO_HEADER = {
    "numbers": (b"1,2\n3,4\n", [[1, 3], [2, 4]], 1),
    "decimal commas": (b"1,5;2,5;3,5\n2,5;3,5;4,25\n", [[1.5, 2.5], ...], 1),
    "the same value twice": (b"5,5\n6,7\n", [[5, 6], [5, 7]], 1),
    "an empty value": (b",a\n6,b\n", [[None, 6], ["a", "b"]], 1),
    "comments": (b"# of A\n# x,y\n1,2\n3,4\n", [[1, 3], [2, 4]], 3),
    "a comment": (b"# x,y\n1,2\n3,4\n", [[1, 3], [2, 4]], 2),
    "sep=": (b"sep=|\n1|2,5\n3|4,5\n", [[1, 3], ["2,5", "4,5"]], 2),
    "a mark, CRLF": (b"\xef\xbb\xbf1\ta\r\n3\tb\r\n", [[1, 3], ["a", "b"]], 1),
    "UTF-16": ("1,a\n3,b\n".encode("utf-16"), [[1, 3], ["a", "b"]], 1),
    "quotes": (b'"a, b;c",1\n"c\nd",2\n', [["a, b;c", "c\nd"], [1, 2]], 1),
    "one column": (b"1\n2\n", [[1, 2]], 1),
    "words": (b"name,size\na,1\n", [["name", "a"], ["size", "1"]], 1),
}


@pytest.mark.parametrize("kind", NO_HEADER)
def test_without_a_header_columns_are_numbered(kind, tmp_path):
    content, columns, line = NO_HEADER[kind]
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    file = open_file(path, reading=BARE)
    source = file.source()
    for place, values in enumerate(columns, 1):
        if values is not ...:
            assert source.take(f"column_{place}").to_pylist() == values
    assert file.where([0, 1]) == [f"line {line}", f"line {line + 1}"]
    (batch,) = file.batches({}, list(file.names))
    assert batch.num_rows == source.num_rows == 2


def test_without_a_header_lines_keep_their_numbers(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"1,2\n3\n5,6\n")
    with pytest.raises(FileReadError, match="line 2: 1 field where the first row has"):
        open_file(path, reading=BARE).read()
    file = open_file(path, reading=BARE.but(skip_bad_lines=True))
    assert file.read().to_pydict() == {"column_1": [1, 5], "column_2": [2, 6]}
    assert file.where([1]) == ["line 3"]
    assert file.notes[0].endswith("line 2 has 1 field where the first row has 2")
    for content, line in ((b"1,2\n3,\xe9\n", 2), (b'"a,2\n3,4\n', 1)):
        path.write_bytes(content)
        with pytest.raises(FileReadError, match=f"line {line}(,|:)"):
            open_file(path, reading=BARE).read()
    path.write_bytes(b"5,5\n6,7\n")
    with pytest.raises(FileReadError, match=r"no header, say so: --no-header"):
        open_file(path)
    path.write_bytes(b"5,6\n6,7\n")
    assert "--no-header" in open_file(path).notes[0]
    path.write_bytes(b"\n\n")
    with pytest.raises(FileReadError, match="empty"):
        open_file(path, reading=BARE)


def test_a_run_reads_later_files_without_a_header_too(tmp_path, capfd):
    path, folder = tmp_path / "a.csv", str(tmp_path / "run")
    path.write_text("\n".join(f"{i % 7},{i % 5 + 0.5}" for i in range(40)))
    fit = ["fit", str(path), "--target", "column_2", "--epochs", "1", "--run", folder]
    assert run([*fit, "--no-doctor", "--no-header"]) == 0
    assert "40 rows, 2 columns" in capfd.readouterr().out
    assert run(["predict", str(path), "--run", folder]) == 0
    assert len(capfd.readouterr().out.splitlines()) == 1 + 40
    for command in (
        ["evaluate", str(path)],
        ["predict", "--test-rows", "--with-input"],
    ):
        assert run([*command, "--run", folder]) == 0
    assert run(["resume", "--epochs", "2", "--run", folder]) == 0
    schema = read_table(path, no_header=True).schema
    assert schema.to_dict()["reading"] == {"no_header": True}
    assert Schema.from_dict(schema.to_dict()) == schema
    with pytest.raises(SchemaError, match="The data lacks"):
        read_table(path, schema=schema, no_header=False)
