"""``gradatim predict``: where answers and notes go."""

import io
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from gradatim.cli.main import run
from tests.houses import houses


@pytest.fixture
def here(trained, tmp_path, monkeypatch):
    """An empty folder, beside a run and its file."""
    monkeypatch.chdir(tmp_path)
    return trained("town")


def test_answers_go_to_standard_output_and_notes_do_not(here, capfd):
    houses()[:9].assign(kind="castle").to_csv("new.csv", index=False)
    assert run(["predict", "new.csv", "--run", str(here / "run")]) == 0
    out, err = capfd.readouterr()
    found = pd.read_csv(io.StringIO(out))
    assert len(found) == 9
    assert list(found.columns) == [
        "prediction",
        "probability_Aach",
        "probability_Ulm",
        "probability_Öhringen",
    ]
    assert "note: columns ignored, unknown to the model: 'price'" in err
    assert "note: kind: 9 rows with a category unseen ('castle')" in err


@pytest.mark.parametrize("name", ["Größe & more.csv", "out.parquet", "OUT.CSV"])
def test_a_file_is_written_and_told(name, here, capfd):
    arguments = ["predict", str(here / "houses.csv"), "-o", name]
    assert run([*arguments, "--run", str(here / "run")]) == 0
    out, err = capfd.readouterr()
    assert out == ""
    assert err == f"160 rows predicted: {name}\n"
    read = pq.read_table if name.endswith("parquet") else pd.read_csv
    assert len(read(name)) == 160


def test_the_newest_run_is_used_and_told(here, capfd):
    Path("runs").mkdir()
    for name in ("001-a", "002-b"):
        Path("runs", name).symlink_to(here / "run")
    assert run(["predict", str(here / "houses.csv"), "-o", "out.csv"]) == 0
    assert capfd.readouterr().err.startswith("run: runs/002-b (the newest)\n")


def test_without_a_run_it_says_how_to_get_one(here, capfd):
    assert run(["predict", str(here / "houses.csv")]) == 1
    assert "Train one with `gradatim fit`" in capfd.readouterr().err


def test_with_input(here):
    arguments = ["predict", str(here / "houses.csv"), "--with-input", "-o", "out.csv"]
    assert run([*arguments, "--run", str(here / "run")]) == 0
    found, before = pd.read_csv("out.csv"), pd.read_csv(here / "houses.csv")
    assert list(found.columns[:7]) == [*before.columns, "prediction"]
    pd.testing.assert_frame_equal(found[before.columns], before)


@pytest.mark.parametrize(
    ("output", "message"),
    [("out.txt", ".csv or .parquet"), ("no/out.csv", "there is no folder no")],
)
def test_a_wrong_output_is_a_wrong_call(output, message, here, capfd):
    arguments = ["predict", str(here / "houses.csv"), "-o", output]
    assert run([*arguments, "--run", str(here / "run")]) == 2
    assert message in capfd.readouterr().err
    assert list(Path().iterdir()) == []
