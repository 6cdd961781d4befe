"""``gradatim.fit``: the command's training, for tables that a program holds."""

import json
import re

import click
import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from torch import nn

import gradatim as gt
from gradatim.cli.fit import fit as fit_command
from gradatim.cli.main import run
from gradatim.errors import ConfigError, DataError, GradatimWarning, RunError
from gradatim.tables.saved.fit_data import plan_data
from tests.houses import with_target

QUICK = {"epochs": 2, "progress": False}


def assert_same_model(some, others):
    some, others = some.model.state_dict(), others.model.state_dict()
    assert some.keys() == others.keys()
    for name, values in some.items():
        assert torch.equal(values, others[name]), name


FRAMES = {
    "price": lambda rows: rows.assign(built=pd.to_datetime(rows["built"])),
    "sold": pl.from_pandas,
    "town": lambda rows: rows.to_dict("records"),
}
"""By target, a way to give the rows that the command reads from a file."""


@pytest.mark.parametrize("target", FRAMES)
def test_a_frame_and_the_command_give_the_same_bits(target, tmp_path, capfd):
    rows = with_target(target)
    rows.to_csv(tmp_path / "houses.csv", index=False)
    options = ["--target", target, "--epochs", "2", "--seed", "3", "--drop", "rooms"]
    place = str(tmp_path / "command")
    assert run(["fit", str(tmp_path / "houses.csv"), *options, "--run", place]) == 0
    by_command = gt.load(place)
    options = {**QUICK, "seed": 3, "drop": ["rooms"]}
    fitted = gt.fit(FRAMES[target](rows), target, **options)
    assert_same_model(fitted, by_command)
    assert fitted.scores == by_command.scores


@pytest.mark.parametrize("target", ["price", "town"])
def test_a_run_that_is_kept_or_saved_is_one_for_commands(target, tmp_path, capfd):
    rows = with_target(target)
    fitted = gt.fit(rows, target, drop=["rooms"], **QUICK)
    kept = gt.fit(rows, target, run=tmp_path / "kept", drop=["rooms"], **QUICK)
    assert (fitted.run, kept.run) == (None, tmp_path / "kept")
    fitted.save(tmp_path / "saved")
    for folder in ("kept", "saved"):
        assert_same_model(gt.load(tmp_path / folder), fitted)
        capfd.readouterr()
        assert run(["show", "--run", str(tmp_path / folder), "--json"]) == 0
        shown = json.loads(capfd.readouterr().out)
        assert shown["config"]["drop"] == ["rooms"]
        assert "file" not in shown["config"]
        assert len(shown["history"]) == len(fitted.history["val_loss"]) == 2
        assert run(["show", "--run", str(tmp_path / folder)]) == 0
        assert "a table in Python" in capfd.readouterr().out
    rows.to_csv(tmp_path / "new.csv", index=False)
    answers = tmp_path / "answers.csv"
    new, saved = str(tmp_path / "new.csv"), str(tmp_path / "saved")
    assert run(["predict", new, "--run", saved, "-o", str(answers)]) == 0
    found = pd.read_csv(answers)["prediction"].to_numpy()
    predicted = fitted.predict(rows)
    assert isinstance(predicted, np.ndarray)
    if target == "price":
        assert np.allclose(predicted, found, rtol=1e-6)
    else:
        assert (predicted == found).all()
        probabilities = fitted.predict_proba(rows)
        assert probabilities.shape == (len(rows), len(fitted.schema.labels))


def test_the_test_rows_are_those_of_the_scores():
    rows = with_target("price")
    rows.loc[[3, 50, 51], "price"] = None
    fitted = gt.fit(rows, "price", drop_missing_target=True, **QUICK)
    tested = rows.iloc[fitted.test_rows]
    assert len(tested) == len(set(fitted.test_rows.tolist())) > 10
    errors = fitted.predict(tested) - tested["price"]
    assert np.sqrt((errors**2).mean()) == pytest.approx(
        fitted.scores["model"]["rmse"], rel=1e-5
    )
    assert "3 rows without a target left out" in fitted.notes


def test_what_is_printed_and_told(capfd):
    rows = with_target("sold").assign(name=[f"house {n}" for n in range(160)])
    fitted = gt.fit(rows, "sold", epochs=2)
    left_out = r"name is left out \(160 of 160 values differ\)"
    assert re.search(rf"^note: {left_out}$", capfd.readouterr().err, re.MULTILINE)
    assert any(re.fullmatch(left_out, note) for note in fitted.notes)
    text = repr(fitted)
    assert re.match(r"Fitted: sold, binary by 5 columns; 112 rows to train, 24", text)
    assert re.search(r" +this model +95 % interval +linear model +majority\n", text)
    for name, value in fitted.scores["model"].items():
        low, high = fitted.intervals[name]
        assert re.search(rf"{name} +{value:.4g} +{low:.4g} to {high:.4g} ", text)
    gt.fit(rows, "sold", **QUICK)
    assert capfd.readouterr().err == ""


def test_what_is_unusual_in_rows_to_predict_is_warned_of():
    rows = with_target("price")
    fitted = gt.fit(rows, "price", **QUICK)
    new = rows.assign(kind="castle").head(3)
    with pytest.warns(GradatimWarning, match=r"kind: 3 rows .*unseen \('castle'\)"):
        fitted.predict(new)


def test_every_option_of_the_command_is_one_in_python():
    named_otherwise = {"file": "data", "run_path": "run", "factory": "model"}
    own = {"data", "run", "model", "every_s", "doctor", "max_expand"}
    frame = {"a": [1.0, 2.0] * 20, "y": np.arange(40.0)}
    for parameter in click.Context(fit_command).command.params:
        name = named_otherwise.get(parameter.name, parameter.name)
        if name in own:
            continue
        plan_data(frame, **{name: None} | {"target": "y"})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epoch": 3}, "'epoch' is no option(.|\n)*Did you mean 'epochs'"),
        ({"source": None}, "'source' is no option"),
        ({"drop": ["price"]}, "'price' is to be dropped, and the target"),
        ({"drop": "kind", "keep": ["kind"]}, "'kind' is to be dropped, and to be kept"),
        ({"threads": 10_000}, "threads is 10000"),
        ({"epochs": 0}, "epochs must be 1 or more"),
    ],
)
def test_options_that_cannot_be_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        gt.fit(with_target("price"), "price", **options)


def test_a_place_that_is_taken_is_refused_before_anything_is_read(tmp_path):
    (tmp_path / "a.txt").touch()
    with pytest.raises(RunError, match="exists already"):
        gt.fit("nowhere.csv", "price", run=tmp_path)
    with pytest.raises(DataError, match="There is no column 'prize'"):
        gt.fit(with_target("price"), "prize")


def test_what_is_said_of_columns_is_kept_in_the_run(tmp_path):
    rows = with_target("price").rename(columns={"rooms": 7})
    fitted = gt.fit(
        rows,
        "price",
        run=tmp_path / "run",
        category=[7],
        missing={"area": ["-999"]},
        **QUICK,
    )
    assert fitted.schema.column("7").kind == "category"
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["category"] == ["7"]
    assert config["missing"] == ["area=-999"]
    assert run(["show", "--run", str(tmp_path / "run")]) == 0


def test_a_run_of_a_frame_goes_on_with_its_rows_from_a_file(tmp_path, capfd):
    rows = with_target("price")
    gt.fit(rows, "price", run=tmp_path / "run", **QUICK)
    longer = ["resume", "--run", str(tmp_path / "run"), "--epochs", "3"]
    assert run(longer) == 1
    assert "table in Python, which is not in the run" in capfd.readouterr().err
    rows.to_parquet(tmp_path / "rows.parquet", index=False)
    assert run([*longer, "--data", str(tmp_path / "rows.parquet")]) == 0
    longer = gt.fit(rows, "price", **QUICK | {"epochs": 3})
    assert gt.load(tmp_path / "run").schema == longer.schema


def test_a_saved_model_is_no_unfinished_run(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    fitted = gt.fit(with_target("price"), "price", **QUICK)
    fitted.save("runs/001-mine")
    assert run(["resume"]) == 0
    assert "nothing is left to do" in capfd.readouterr().out
    assert run(["resume", "--run", "runs/001-mine", "--epochs", "9"]) == 1
    assert "which only a run keeps" in capfd.readouterr().err
    assert run(["predict", "no.csv"]) == 1
    with pytest.raises(RunError, match="exists already"):
        fitted.save("runs/001-mine")


def test_a_network_of_ones_own():
    fitted = gt.fit(with_target("sold"), "sold", model=nn.Linear, **QUICK)
    assert isinstance(fitted.model.network, nn.Linear)
    assert fitted.predict(with_target("sold").head(2)).dtype == bool


def test_what_was_edited_in_a_file_is_taken(tmp_path):
    rows = with_target("price")
    rows.to_csv(tmp_path / "houses.csv", index=False)
    columns, file = str(tmp_path / "columns.json"), str(tmp_path / "houses.csv")
    assert run(["inspect", file, "--target", "price", "--edit", columns]) == 0
    text = (tmp_path / "columns.json").read_text()
    edited = json.loads(text)
    edited["columns"]["rooms"]["kind"] = "category"
    (tmp_path / "columns.json").write_text(json.dumps(edited))
    plan, noted = plan_data(rows, schema=columns, drop="area")
    assert plan.table.schema.column("rooms").kind == "category"
    assert (noted["category"], noted["drop"]) == (["rooms"], ["area"])
    with pytest.raises(ConfigError, match="no target is named"):
        gt.fit(rows)


def test_rows_of_their_own_and_folds(tmp_path, capfd):
    rows, test = with_target("price"), with_target("price", seed=1)
    rows.to_csv(tmp_path / "houses.csv", index=False)
    test.to_csv(tmp_path / "test.csv", index=False)
    fitted = gt.fit(rows, "price", test=test, **QUICK)
    assert fitted.test_rows.tolist() == list(range(len(test)))
    file, test_file = str(tmp_path / "houses.csv"), str(tmp_path / "test.csv")
    place = str(tmp_path / "run")
    options = ["--target", "price", "--epochs", "2", "--test", test_file]
    assert run(["fit", file, *options, "--run", place]) == 0
    assert_same_model(fitted, gt.load(place))
    assert fitted.scores == gt.load(place).scores
    with pytest.raises(ConfigError, match="test is a table in Python"):
        gt.fit(rows, "price", test=test, run=tmp_path / "x", **QUICK)
    kept = gt.fit(file, "price", test=test_file, run=tmp_path / "x", **QUICK)
    assert_same_model(kept, fitted)
    config = json.loads((tmp_path / "x" / "config.json").read_text())
    assert config["test_file"]["path"] == "../test.csv"

    folds = gt.fit(rows, "price", folds=2, **QUICK)
    assert folds.test_rows.tolist() == list(range(len(rows)))
    assert "±" in repr(folds)
    every = gt.fit(rows, "price", test=0, **QUICK)
    assert len(every.test_rows) == 0 == len(every.scores)
    assert "0 to test" in repr(every)
