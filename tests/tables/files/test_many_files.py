"""Several files read as one table: as one file with all of their rows is read."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gradatim.cli.main import run
from gradatim.errors import FileReadError
from gradatim.tables.files.formats import open_file
from gradatim.tables.files.reading import Reading
from gradatim.tables.table import read_table


def write_all(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, pa.Table):
            pq.write_table(content, path)
        else:
            path.write_text(content)


def values_of(source):
    return {name: source.take(name).to_pylist() for name in source.names}


ALIKE = {
    "the same types": ["1,a", "2,b"],
    "whole numbers and others": ["1,a", "2.5,b"],
    "missing in one": ["1.5,a", ",b"],
    "all missing in one": ["NA,a\nNA,c", "3,b"],
    "a word in one": ["1,a", "x,b"],
    "a date in one": ["2020-01-01,a", "3,b"],
    "zeros in front in one": ["007,a", "7,b"],
    "numbers beyond 64 bits in one": ["99999999999999999999,a", "1,b"],
    "close numbers in one": ["16777217.5,a\n16777218.5,b", "0.1,c\n5000.3,b"],
    "large whole numbers in one": ["9007199254740993,a", "9007199254740992,b"],
    "shared texts in one": ["1,a\n1,a\n1,a\n1,a", "1,b\n2,c"],
}


@pytest.mark.parametrize("kind", ALIKE)
def test_files_give_what_one_file_of_all_rows_gives(kind, tmp_path):
    write_all(
        tmp_path,
        {f"in/{n}.csv": f"x,y\n{rows}\n" for n, rows in enumerate(ALIKE[kind])},
    )
    one = tmp_path / "one.csv"
    one.write_text("\n".join(["x,y", *ALIKE[kind]]) + "\n")
    for path in (tmp_path / "in", tmp_path / "in" / "*.csv"):
        several, single = open_file(path), open_file(one)
        assert several.names == single.names
        assert values_of(several.source()) == values_of(single.source())
        types = {"x": pa.string(), "y": pa.string()}
        assert (
            several.read(types, ["y"]).to_pydict()
            == single.read(types, ["y"]).to_pydict()
        )
        batches = list(several.batches(types, ["y", "x"], batch_rows=1))
        rows = [row for batch in batches for row in batch.to_pylist()]
        assert rows == single.read(types, ["y", "x"]).to_pylist()


def test_decimal_signs_differ_from_file_to_file(tmp_path):
    write_all(tmp_path, {"a.csv": "x;y\n1,5;a\n2,5;b\n", "b.csv": "x;y\n1.5;a\n3;b\n"})
    assert open_file(tmp_path).source().take("x").to_pylist() == [
        *("1,5", "2,5", "1.5", "3"),
    ]


def test_names_of_folders_are_columns(tmp_path):
    write_all(
        tmp_path,
        {
            "year=2021/at=x%2Fy/a.csv": "v\n1\n",
            "year=2020/at=z/b.csv": "v\n2\n3\n",
            "year=2022/at=__HIVE_DEFAULT_PARTITION__/a.csv": "v\n4\n",
            "_SUCCESS": "",
            ".hidden/c.csv": "w\n9\n",
        },
    )
    expected = {
        "v": [2, 3, 1, 4],
        "year": [2020, 2020, 2021, 2022],
        "at": ["z", "z", "x/y", None],
    }
    for path in (tmp_path, tmp_path / "year=*" / "*" / "*.csv"):
        file = open_file(path)
        assert values_of(file.source()) == expected
        (first, *_) = file.batches({}, ["at"])
        assert first.to_pydict() == {"at": ["z", "z"]}
        shared = pa.dictionary(pa.int32(), pa.string())
        typed = file.source({"year": pa.float64(), "at": shared})
        assert typed.take("year").to_pylist() == [2020.0, 2020.0, 2021.0, 2022.0]
        assert typed.take("at").to_pylist() == expected["at"]
    with pytest.raises(FileReadError, match="at=z does not fit"):
        file.source({"at": pa.int64()}).take("at")
    write_all(tmp_path, {"year=2020/at=z/d.csv": "v,year\n1,2\n"})
    with pytest.raises(FileReadError, match=r"d\.csv has a column 'year'"):
        open_file(tmp_path)


TYPED = {"x": [1, 2], "y": ["a", "b"]}
REFUSED = {
    "other columns": (
        {"a.csv": "x,y\n1,2\n", "b.csv": "x,z\n1,2\n"},
        r"b\.csv has oth",
    ),
    "more columns": (
        {"a.csv": "x\n1\n", "b.csv": "x,z\n1,2\n"},
        r"b\.csv .* it has 'z'",
    ),
    "other kinds": (
        {"a.csv": "x,y\n1,2\n", "b.parquet": pa.table(TYPED)},
        r"b\.parquet is of another kind",
    ),
    "folders of one alone": (
        {"a.csv": "x\n1\n", "k=1/b.csv": "x\n1\n"},
        r"b\.csv has other columns.* it has 'k'",
    ),
    "no table": ({"a.doc": "x", "b": "x"}, "of 2 files, and no table is among them"),
    "none": ({}, "of 0 files"),
    "one damaged": ({"a.csv": "x,y\n1,2\n", "b.csv": "x,y\n1\n"}, r"b\.csv, line 2: 1"),
    "other types": (
        {"a.parquet": pa.table({"x": [1]}), "b.parquet": pa.table({"x": ["a"]})},
        r"b\.parquet: the column 'x' has another type than in",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_table_together_is_refused_by_name(kind, tmp_path):
    files, message = REFUSED[kind]
    write_all(tmp_path, files)
    for types in (None, {"x": pa.string()}):
        with pytest.raises(FileReadError, match=message):
            open_file(tmp_path).source(types).take("x")


def test_typed_files_are_widened(tmp_path):
    write_all(
        tmp_path,
        {
            "a.parquet": pa.table({"x": [1, 2], "y": [None, None]}),
            "b.parquet": pa.table({"x": [0.5], "y": ["a"]}),
        },
    )
    expected = {"x": [1.0, 2.0, 0.5], "y": [None, None, "a"]}
    assert values_of(open_file(tmp_path).source()) == expected
    with pytest.raises(FileReadError, match=r"b\.parquet has other types"):
        list(open_file(tmp_path).batches({}))


def test_rows_and_notes_name_their_files(tmp_path):
    write_all(
        tmp_path,
        {"a.csv": ",x\n0,1\n1,2\n", "b.csv": ",x\n0,3\n1\n", "notes.md": "no table"},
    )
    file = open_file(tmp_path, reading=Reading(skip_bad_lines=True))
    assert file.where([1, 2]) == [
        f"{tmp_path / 'a.csv'}, line 3",
        f"{tmp_path / 'b.csv'}, line 2",
    ]
    several, left_out, index, bad = file.notes
    assert several == f"2 files are read, from {tmp_path}/a.csv to {tmp_path}/b.csv"
    assert left_out.endswith("'notes.md'")
    assert index.startswith(f"{tmp_path / 'a.csv'} and 1 more files: the first column")
    assert bad.startswith(f"{tmp_path / 'b.csv'}: 1 line is left out")


def test_a_path_with_signs_of_a_pattern_is_a_file_where_there_is_one(tmp_path):
    write_all(tmp_path, {"a[1].csv": "x\n1\n", "a1.csv": "x\n2\n"})
    assert open_file(tmp_path / "a[1].csv").read().to_pydict() == {"x": [1]}


def test_a_run_of_several_files(tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [f"{i % 7},{i % 5 + 0.5}" for i in range(60)]
    for n in range(3):
        part = "\n".join(["x,y", *rows[20 * n : 20 * n + 20]])
        write_all(tmp_path, {f"in/k={n}/a.csv": part + "\n"})
    write_all(tmp_path, {"in/k=0/stray.txt": "x,y\n3,1.5\n"})
    fit = ["fit", "--target", "y", "--epochs", "1", "--no-doctor", "--keep", "k"]
    assert run([*fit, "in/*/*.csv"]) == 0
    out, err = capfd.readouterr()
    assert "in/*/*.csv: 60 rows, 3 columns" in out
    assert "3 files are read, from in/k=0/a.csv to in/k=2/a.csv" in err
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.name == "001-in"
    about = json.loads((folder / "config.json").read_text())["file"]
    assert about["path"] == "../../in/*/*.csv"
    assert run(["resume", "--epochs", "2", "--run", str(folder)]) == 0
    assert run(["predict", "--test-rows", "--with-input", "--run", str(folder)]) == 0
    capfd.readouterr()
    assert run(["predict", "in", "--run", str(folder)]) == 0
    out, err = capfd.readouterr()
    assert len(out.splitlines()) == 1 + 61
    assert run(["evaluate", "in/*/*.csv", "--run", str(folder)]) == 0
    assert "rows seen in training score better" in capfd.readouterr().err
    output = ["-o", "in/k=1/a.csv"]
    assert run(["predict", "in", "--run", str(folder), *output]) != 0
    assert "is the file that is read" in capfd.readouterr().err
    assert read_table("in/*/*.csv").num_rows == 60
