"""``gradatim fit`` with rows that are split by time or group, and going on with it."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import gradatim as gt
from gradatim.cli.main import run
from gradatim.store.manifest import read_folder, write_folder
from gradatim.store.tensors import read_tensors, tensor_parts
from tests.bits import assert_same_bits
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


def test_resume_refuses_another_split_by_name(capfd):
    assert fit("--group", "patient") == 0
    for option, message in [
        (["--time", "day"], "was split by group 'patient', and --time is 'day'"),
        (["--group", "age"], "was split by group 'patient', and --group is 'age'"),
        (["--test", "0.3"], "has test 0.15, and --test is 0.3"),
    ]:
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


def weights(path):
    return gt.load(path).model.state_dict()


def test_folds_are_printed_and_go_on_with_the_same_bits(capfd):
    """Stopped after its first training, or in the last one."""
    assert fit("--folds", "2", "--final") == 0
    out, err = capfd.readouterr()
    assert "scores on 120 test rows of 2 folds, never trained" in out
    assert re.search(r"^rmse( +\S+ ± \S+){3,4} *$", out, re.M)
    assert "trained on all rows at last, for" in out
    assert "fold 2 of 2:" in err and "once more, on all rows:" in err
    for gone in (["fold-2", "final"], ["final/checkpoints/step-*"]):
        shutil.copytree("x", "y")
        for place in ("model", "test_rows", *gone):
            for path in Path("y").glob(place):
                if not (place.endswith("*") and path.name == "step-0"):
                    shutil.rmtree(path)
        assert run(["resume", "--run", "y"]) == 0
        assert_same_bits(weights("y"), weights("x"))
        assert gt.load("y").scores == gt.load("x").scores
        shutil.rmtree("y")
    capfd.readouterr()
    assert run(["resume", "--run", "x"]) == 0
    assert "nothing is left to do" in capfd.readouterr().out
    assert run(["resume", "--run", "x", "--epochs", "9"]) == 2
    assert "several trainings" in capfd.readouterr().err


def test_files_to_validate_with_and_to_test_on(capfd):
    visits(30, seed=1).to_csv("test.csv", index=False)
    visits().head(20).to_csv("val.csv", index=False)
    assert fit("--val", "val.csv", "--test", "test.csv") == 0
    out, err = capfd.readouterr()
    assert "120 to train, 20 to validate (of val.csv), 30 to test (of test.csv)" in out
    assert "note: 20 of 20 rows to be chosen by (--val) stand among the rows" in err
    assert config()["test_file"]["name"] == "test.csv"
    Path("elsewhere").mkdir()
    Path("test.csv").rename("elsewhere/test.csv")
    more = ["resume", "--run", "x", "--epochs", "3"]
    assert run(more) == 1
    assert "Say where they are: --test FILE" in capfd.readouterr().err
    assert run([*more, "--test", "val.csv"]) == 1
    assert run([*more, "--test", "elsewhere/test.csv"]) == 0
    assert "resume is exact" in capfd.readouterr().err
    visits().drop(columns="y").to_csv("bare.csv", index=False)
    assert run(["fit", "visits.csv", "--target", "y", "--test", "bare.csv"]) == 1
    assert "bare.csv has no column 'y', the target" in capfd.readouterr().err
    assert fit("--test", "0.2", "--folds", "3") == 2


def test_nothing_is_scored_without_test_rows(capfd):
    assert fit("--test", "0") == 0
    out = capfd.readouterr().out
    assert "0 to test" in out and "nothing was scored: no row was kept" in out
    assert run(["show", "--run", "x"]) == 0
    assert "nothing was scored" in capfd.readouterr().out
    assert run(["predict", "--run", "x", "--test-rows"]) == 1
    assert "has no test rows" in capfd.readouterr().err
    assert run(["predict", "visits.csv", "--run", "x", "-o", "out.csv"]) == 0


@pytest.mark.parametrize("options", [[], ["--folds", "3", "--final"]])
def test_test_rows_are_written_with_what_they_were_scored_by(options, capfd):
    frame = visits()
    frame.loc[::7, "y"] = None
    frame.to_csv("visits.csv", index=False)
    assert fit("--drop-missing-target", *options) == 0
    assert run(["predict", "--run", "x", "--test-rows", "-o", "out.csv"]) == 0
    found = pd.read_csv("out.csv")
    given = frame["y"].to_numpy()[found["row"] - 1]
    assert np.allclose(found["y"], given, rtol=1e-6)
    folds = found["fold"] if options else [1] * len(found)
    rmse = np.mean(
        [
            np.sqrt(np.mean((part["y"] - part["prediction"]) ** 2))
            for _, part in found.groupby(folds)
        ]
    )
    assert gt.load("x").scores["model"]["rmse"] == pytest.approx(rmse, rel=1e-5)
    both = ["predict", "--run", "x", "--test-rows", "--with-input", "-o", "b.parquet"]
    assert run(both) == 0
    beside = pd.read_parquet("b.parquet")
    assert (beside["patient"] == frame["patient"].to_numpy()[found["row"] - 1]).all()
    assert run(["predict", "visits.csv", "--run", "x", "--test-rows"]) == 2
    assert run(["predict", "--run", "x"]) == 2


def test_test_rows_that_do_not_fit_the_schema_are_refused(capfd):
    assert fit() == 0
    files = read_folder(Path("x/test_rows"))
    state = read_tensors(files["rows.safetensors"], "rows")
    for change in (
        {"target": state["target"].double()},
        {"answer": state["answer"][:-1]},
        {"row": -state["row"]},
        {"more": state["row"]},
    ):
        parts = {"rows.safetensors": tensor_parts({**state, **change})}
        write_folder(Path("x/test_rows"), parts)
        assert run(["predict", "--run", "x", "--test-rows"]) == 1
        assert "does not fit the run's schema" in capfd.readouterr().err
