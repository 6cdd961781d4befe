"""Bad input: one clear message, exit code 1 or 2, and nothing left behind."""

import os
import re
import time
from pathlib import Path

import pytest

from gradatim.cli.main import run
from tests.cli.process import start
from tests.houses import with_target

GOOD_ROWS = "".join(
    f"{i % 7},{i * 0.37 % 5:.2f},{'ab'[i % 2]},{i * 0.5 + i % 3}\n" for i in range(60)
)
HEADER = "rooms,area,kind,price\n"


def with_line(number: int, line: str) -> str:
    """The good file with another line ``number``, counted from 1."""
    lines = (HEADER + GOOD_ROWS).splitlines()
    lines[number - 1] = line
    return "\n".join(lines) + "\n"


def with_targets(*targets: str) -> str:
    """The good file with other values of ``price``, repeated over the rows."""
    rows = [row.rsplit(",", 1)[0] for row in GOOD_ROWS.splitlines()]
    lines = [f"{row},{targets[i % len(targets)]}" for i, row in enumerate(rows)]
    return HEADER + "\n".join(lines) + "\n"


def doubled(rows: str) -> str:
    """The rows with the price in the second column, too."""
    cells = [row.split(",") for row in rows.splitlines()]
    return "".join(f"{a},{price},{kind},{price}\n" for a, _, kind, price in cells)


# What the file holds, the extra arguments, and what the message must say.
CASES = {
    "header only": (HEADER, [], r"no row|header"),
    "empty": ("", [], r"empty"),
    "a field too few": (with_line(17, "3,1.5,a"), [], r"line 17\b.*3.*4|17.*4 fields"),
    "a field too many": (with_line(23, "3,1.5,a,7,9"), [], r"line 23\b"),
    "an unclosed quote": (with_line(31, '3,1.5,"a,7'), [], r"line 31\b"),
    "duplicate columns": (
        "rooms,rooms,kind,price\n" + GOOD_ROWS,
        [],
        r"'?rooms'?.*",
    ),
    "no such column": (HEADER + GOOD_ROWS, ["--target", "prize"], r"price"),
    "no such column to drop": (HEADER + GOOD_ROWS, ["--drop", "romms"], r"rooms"),
    "target missing": (with_targets("1.5", "", "2.5"), [], r"--drop-missing-target"),
    "target NaN": (with_targets("1.5", "nan", "2.5"), [], r"--drop-missing-target"),
    "target infinite": (with_targets("1.5", "inf", "2.5"), [], "--drop-missing-target"),
    "one class": (with_targets("yes"), [], r"one|1 "),
    "more classes than rows allow": (
        with_targets(*(f"class{i}" for i in range(60))),
        [],
        r"60",
    ),
    "fewer rows than the split needs": (
        HEADER + "1,2,a,3.5\n2,1,b,2.5\n",
        [],
        r"rows are too few",
    ),
    "all features dropped": (
        HEADER + GOOD_ROWS,
        ["--drop", "rooms", "--drop", "area", "--drop", "kind"],
        r"feature",
    ),
    "no column but the target": ("price\n" + "1.5\n2.5\n" * 30, [], r"0 columns"),
    "a column without a name": (
        "rooms,,kind,price\n" + GOOD_ROWS,
        [],
        r"column 2|name",
    ),
    "the target under another name": (
        HEADER.replace("area", "cost") + doubled(GOOD_ROWS),
        [],
        r"'cost' is the target 'price'.*--drop cost",
    ),
    "targets that are dates": (
        with_targets("2026-01-01", "2026-02-01"),
        [],
        r"'price' holds .*number or a class",
    ),
    "a share above one": (HEADER + GOOD_ROWS, ["--val", "1.5"], r"val.*1\.5"),
    "shares that leave nothing": (
        HEADER + GOOD_ROWS,
        ["--val", "0.5", "--test", "0.5"],
        r"no row is left",
    ),
    "classes of too few rows to share out": (
        "x,y\n" + "".join(f"{i % 5},{'abcdef'[i // 2]}\n" for i in range(12)),
        ["--target", "y"],
        r"too few for .*Give more rows of each class",
    ),
    "more threads than cores": (HEADER + GOOD_ROWS, ["--threads", "9999"], r"9999"),
    "no epochs": (HEADER + GOOD_ROWS, ["--epochs", "0"], r"epochs.*0"),
    "no such model file": (HEADER + GOOD_ROWS, ["--model", "net.py:make"], r"net\.py"),
    "a model without factory": (HEADER + GOOD_ROWS, ["--model", "net.py"], "FACTORY"),
    "an unknown option": (HEADER + GOOD_ROWS, ["--epoch-s", "3"], r"--epoch"),
}


@pytest.mark.parametrize("name", CASES)
def test_fit_refuses(name, tmp_path, monkeypatch, capfd):
    content, arguments, message = CASES[name]
    Path(tmp_path, "houses.csv").write_text(content)
    monkeypatch.chdir(tmp_path)
    target = [] if "--target" in arguments else ["--target", "price"]
    code = run(["fit", "houses.csv", *target, *arguments])
    check_refused(code, capfd.readouterr().err, message)
    assert [path.name for path in tmp_path.iterdir()] == ["houses.csv"]


def check_refused(code: int, told: str, message: str) -> None:
    assert code in (1, 2)
    assert "Traceback" not in told
    assert len(told.splitlines()) <= 8
    flat = " ".join(told.split())
    assert re.search(message, flat), flat


def test_no_such_file_names_the_nearest(tmp_path, monkeypatch, capfd):
    Path(tmp_path, "houses.csv").write_text(HEADER + GOOD_ROWS)
    monkeypatch.chdir(tmp_path)
    code = run(["fit", "house.csv", "--target", "price"])
    check_refused(code, capfd.readouterr().err, "houses.csv")


def test_a_cut_parquet_file_is_told(tmp_path, monkeypatch, capfd):
    with_target("price").to_parquet(tmp_path / "houses.parquet")
    content = Path(tmp_path, "houses.parquet").read_bytes()
    Path(tmp_path, "houses.parquet").write_bytes(content[: len(content) // 2])
    monkeypatch.chdir(tmp_path)
    code = run(["fit", "houses.parquet", "--target", "price"])
    check_refused(code, capfd.readouterr().err, r"houses\.parquet cannot be read")
    assert [path.name for path in tmp_path.iterdir()] == ["houses.parquet"]


@pytest.mark.parametrize(
    ("name", "message"), [("folder", "is a folder"), ("houses.doc", "suffix")]
)
def test_what_is_no_table_is_told(name, message, tmp_path, monkeypatch, capfd):
    Path(tmp_path, "folder").mkdir()
    Path(tmp_path, "houses.doc").write_text(HEADER + GOOD_ROWS)
    monkeypatch.chdir(tmp_path)
    for command in ("fit", "inspect"):
        target = ["--target", "price"] if command == "fit" else []
        check_refused(run([command, name, *target]), capfd.readouterr().err, message)


def test_not_utf8_names_the_line(tmp_path, monkeypatch, capfd):
    bad = with_line(9, "3,1.5,caf\xe9,7").encode("latin-1")
    Path(tmp_path, "houses.csv").write_bytes(bad)
    monkeypatch.chdir(tmp_path)
    code = run(["fit", "houses.csv", "--target", "price"])
    check_refused(code, capfd.readouterr().err, r"line 9\b.*UTF-8|UTF-8.*line 9\b")


def test_no_target_is_a_wrong_call(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    assert run(["fit", "houses.csv"]) == 2
    assert "--target" in capfd.readouterr().err


def test_options_of_tables_need_a_file(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    assert run(["fit", "--target", "price"]) == 2
    assert "FILE" in capfd.readouterr().err


def test_an_unknown_command_names_the_nearest(capfd):
    assert run(["predcit"]) == 2
    assert "predict" in capfd.readouterr().err


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A data file, and a run trained on it."""
    folder = tmp_path_factory.mktemp("predict")
    file = folder / "houses.csv"
    file.write_text(HEADER + GOOD_ROWS)
    arguments = ["--target", "price", "--epochs", "2", "--run", str(folder / "r")]
    assert run(["fit", str(file), *arguments]) == 0
    return folder


class TestPredict:
    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("rooms,kind\n3,a\n", r"'area'"),
            ("room,area,kind\n3,1.5,a\n", r"'rooms'.*'room'|'room'.*'rooms'"),
            ("rooms,area,kind\n3,1.5,a\n4,large,b\n", r"(line|row) 3\b.*'?large'?"),
            ("rooms,area,kind\n", r"no row|header"),
            ("", r"empty"),
        ],
    )
    def test_refuses(self, content, message, folder, tmp_path, capfd):
        file, output = tmp_path / "new.csv", tmp_path / "out.csv"
        file.write_text(content)
        code = run(
            ["predict", str(file), "-o", str(output), "--run", str(folder / "r")]
        )
        check_refused(code, capfd.readouterr().err, message)
        assert [path.name for path in tmp_path.iterdir()] == ["new.csv"]

    def test_refuses_a_folder_that_is_no_run(self, folder, tmp_path, capfd):
        code = run(["predict", str(folder / "houses.csv"), "--run", str(tmp_path)])
        check_refused(code, capfd.readouterr().err, "it is no run")

    def test_refuses_to_write_over_its_input(self, folder, capfd):
        file = str(folder / "houses.csv")
        code = run(["predict", file, "-o", file, "--run", str(folder / "r")])
        check_refused(code, capfd.readouterr().err, "is the file that is read")

    def test_counts_unseen_categories_and_extra_columns(self, folder, tmp_path, capfd):
        file = tmp_path / "new.csv"
        file.write_text("extra,kind,area,rooms\n1,zzz,1.5,3\n2,a,2.5,4\n")
        assert run(["predict", str(file), "--run", str(folder / "r")]) == 0
        out, err = capfd.readouterr()
        assert len(out.splitlines()) == 3
        assert "extra" in err
        assert "zzz" in err


def test_a_run_is_never_written_over(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    Path("taken").mkdir()
    Path("taken", "notes.txt").write_text("mine")
    assert run(["fit", "--epochs", "1", "--run", "taken"]) == 1
    assert "taken exists already" in capfd.readouterr().err
    assert Path("taken", "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["pipe.csv", "pipe.parquet", "pipe"])
def test_a_pipe_is_not_said_to_be_empty(name, tmp_path, capfd):
    os.mkfifo(tmp_path / name)
    assert run(["inspect", str(tmp_path / name)]) == 1
    assert f"{name} is a pipe or a device" in capfd.readouterr().err


@pytest.mark.parametrize("zones", [("", "Z"), ("Z", "")])
def test_times_with_and_without_a_zone_are_told_apart_in_our_words(
    zones, tmp_path, monkeypatch, capfd
):
    monkeypatch.chdir(tmp_path)
    for name, zone in zip(("train", "new"), zones, strict=True):
        rows = (f"2024-01-{1 + i % 28:02} 0{i % 10}:00:00{zone},{i}" for i in range(60))
        Path(f"{name}.csv").write_text("\n".join(["at,y", *rows]) + "\n")
    fit = ["fit", "train.csv", "--target", "y", "--epochs", "1", "--run", "run"]
    assert run([*fit, "--no-doctor"]) == 0
    assert run(["predict", "new.csv", "--run", "run"]) == 1
    said = capfd.readouterr().err
    assert re.search(r"new\.csv, line 2, column 'at': .* is not a date and time", said)
    assert "assume_timezone" not in said and "separator" not in said


def test_a_run_that_is_being_trained_was_not_stopped(tmp_path, capfd):
    run_folder = tmp_path / "run"
    data = tmp_path / "data.csv"
    data.write_text(HEADER + GOOD_ROWS)
    options = ["--target", "price", "--epochs", "100000", "--no-doctor"]
    training = start("fit", data, *options, "--run", run_folder, cwd=tmp_path)
    try:
        while not (run_folder / "checkpoints").exists():
            assert training.poll() is None
            time.sleep(0.05)
        assert run(["predict", str(data), "--run", str(run_folder)]) == 1
        said = capfd.readouterr().err
        assert f"is being trained by process {training.pid}" in said
    finally:
        training.kill()
        training.communicate()
    assert run(["predict", str(data), "--run", str(run_folder)]) == 1
    assert "its training was stopped" in capfd.readouterr().err
