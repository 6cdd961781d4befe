"""Importance of a run's columns: on which rows, and what is kept of it."""

import json
import shutil

import pandas as pd
import pytest

import gradatim as gt
from gradatim.errors import DamagedError, DataError, SchemaError
from gradatim.tables.saved.folder import IMPORTANCE, TableRunFolder
from gradatim.tables.saved.importance import importance_of_run, read_importance
from tests.houses import with_target

QUICK = {"epochs": 2, "progress": False}


@pytest.fixture
def run(trained, tmp_path):
    """A copy of a run, with its file beside it, that may be changed."""
    one = trained("price")
    shutil.copytree(one.run.path, tmp_path / "run")
    shutil.copy(one.csv, tmp_path / one.csv.name)
    return TableRunFolder(tmp_path / "run")


def test_it_is_that_of_the_test_rows_and_is_kept(run, trained):
    found = importance_of_run(run, repeats=3)
    fitted = trained("price").fitted
    assert (found.part, found.rows, found.seen) == ("test", 24, False)
    assert found.score == pytest.approx(fitted.scores["model"]["rmse"])
    assert set(found.columns) == {"area", "rooms", "kind", "built", "garden"}
    assert next(iter(found.columns)) == "area"
    assert read_importance(run.path) == found
    assert importance_of_run(run, repeats=3).columns == found.columns
    other = importance_of_run(run, repeats=3, seed=1, metric="r2")
    assert other.columns != found.columns
    assert read_importance(run.path) == other


def test_rows_that_changed_are_refused(run, tmp_path):
    file = tmp_path / "price.csv"
    rows = pd.read_csv(file)
    rows["price"] += 1
    rows.to_csv(file, index=False)
    with pytest.raises(DataError, match="have changed since"):
        importance_of_run(run)
    rows.iloc[:-1].to_csv(file, index=False)
    with pytest.raises(DataError, match="have changed since"):
        importance_of_run(run)
    assert not (run.path / IMPORTANCE).exists()


def test_what_was_not_written_is_refused(run):
    importance_of_run(run, repeats=1)
    path = run.path / IMPORTANCE
    assert json.loads(path.read_text())["columns"][0]["spread"] is None
    stored = json.loads(path.read_text())
    for name, value in [("repeats", 0), ("columns", [{}]), ("part", "all")]:
        path.write_text(json.dumps({**stored, name: value}))
        with pytest.raises(DamagedError, match="gradatim importance"):
            read_importance(run.path)


def test_python_has_the_numbers_of_the_command(tmp_path):
    rows = with_target("town")
    rows.to_csv(tmp_path / "town.csv", index=False)
    path = tmp_path / "run"
    fitted = gt.fit(tmp_path / "town.csv", "town", run=path, **QUICK)
    found = fitted.importance(repeats=2)
    assert read_importance(path) == found
    assert importance_of_run(TableRunFolder(path), repeats=2) == found
    given = gt.load(path).importance(rows.iloc[fitted.test_rows], repeats=2)
    assert given.columns == found.columns and given.part == "given"
    lines = repr(found).splitlines()
    assert lines[0].startswith("importance on 24 test rows: how much worse log_loss")
    assert len(lines) == 2 + len(found.columns)
    with pytest.raises(SchemaError, match="'town', the target"):
        fitted.importance(rows.drop(columns="town"))


@pytest.mark.parametrize(
    ("options", "part", "seen"),
    [
        ({"test": 0}, "validation", True),
        ({"folds": 2, "final": True}, "test", True),
        ({"final": True, "test": "own"}, "test", False),
    ],
)
def test_rows_that_the_model_was_trained_on_are_told(options, part, seen):
    if options.get("test") == "own":
        options = {**options, "test": with_target("price", rows=40, seed=1)}
    fitted = gt.fit(with_target("price"), "price", **options, **QUICK)
    found = fitted.importance(repeats=1)
    assert (found.part, found.seen) == (part, seen)
    assert ("by heart" in repr(found)) == seen


def test_what_rows_count_counts_here_too():
    rows = with_target("price").assign(count=range(1, 161))
    fitted = gt.fit(rows, "price", weight="count", metric="mae", **QUICK)
    found = fitted.importance(repeats=1)
    assert found.metric == "mae"
    assert found.score == pytest.approx(fitted.scores["model"]["mae"])
    given = fitted.importance(rows.iloc[fitted.test_rows], repeats=1)
    assert given.columns == found.columns


def test_another_training_of_the_run_removes_it(tmp_path):
    from gradatim.cli.main import run as command

    with_target("price").to_csv(tmp_path / "price.csv", index=False)
    path = tmp_path / "run"
    fitted = gt.fit(tmp_path / "price.csv", "price", run=path, **QUICK)
    fitted.importance(repeats=1)
    assert command(["resume", "--run", str(path), "--epochs", "3"]) == 0
    assert read_importance(path) is None
