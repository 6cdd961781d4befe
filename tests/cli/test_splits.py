"""``gradatim fit`` with rows that are split by time or group, and going on with it."""

import json
from pathlib import Path

import pytest

from gradatim.cli.main import run
from tests.tables.fit.test_split_doubts import patients
from tests.tables.fit.test_split_table import visits


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    visits().to_csv("visits.csv", index=False)


def fit(*arguments):
    short = ["--epochs", "2", "--run", "x"]
    return run(["fit", "visits.csv", "--target", "y", *short, *arguments])


def config():
    return json.loads(Path("x", "config.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("option", "column", "words"),
    [
        ("--group", "patient", "by patient, each of 20 groups in one of them; seed 0"),
        ("--time", "day", "by day, the latest to test; seed 0"),
    ],
)
def test_the_split_is_told_kept_and_taken_again(option, column, words, capfd):
    assert fit(option, column) == 0
    assert words in capfd.readouterr().out
    assert config()["training"][option[2:]] == column
    assert run(["resume", "--run", "x", "--epochs", "3"]) == 0
    assert "resume is exact" in capfd.readouterr().err
    assert run(["resume", "--run", "x", option, column, "--epochs", "4"]) == 0


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--time", "day"], "was split by group 'patient', and --time is 'day'"),
        (["--group", "age"], "was split by group 'patient', and --group is 'age'"),
        (["--test", "0.3"], "has test 0.15, and --test is 0.3"),
    ],
)
def test_resume_refuses_another_split_by_name(option, message, capfd):
    assert fit("--group", "patient") == 0
    assert run(["resume", "--run", "x", "--epochs", "3", *option]) == 1
    assert message in " ".join(capfd.readouterr().err.split())
    assert run(["resume", "--run", "x", "--epochs", "3", "--val", "0.15"]) == 0


def test_a_split_that_flatters_is_told_and_kept(capfd):
    patients().to_csv("visits.csv", index=False)
    assert fit() == 0
    told = capfd.readouterr().err
    assert "note: rows of the same patient are on both sides" in told
    (doubt,) = config()["split_doubts"]
    assert (doubt["column"], doubt["on"], doubt["score"]) == ("patient", "groups", "r2")
    assert f"has r2 {doubt['random']:.2f} on" in told
    assert run(["show", "--run", "x"]) == 0
    assert "if new rows will be of others, score so: --group patient" in (
        " ".join(capfd.readouterr().out.split())
    )
