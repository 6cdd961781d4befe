"""``log_target``: from the training to all that a saved model does."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

import gradatim as gt
from gradatim.cli.main import run
from gradatim.errors import DamagedError
from gradatim.store.manifest import read_folder, write_folder
from gradatim.tables.fit.config import TabularConfig
from gradatim.tables.model.quantiles import pinball_losses
from gradatim.tables.saved.evaluate import evaluate_file
from gradatim.tables.saved.folder import TableRunFolder
from gradatim.tables.saved.importance import importance_of_run

QUICK = {"epochs": 2, "progress": False}


def sales(rows=160):
    random = np.random.default_rng(0)
    area, kind = random.normal(size=rows), random.choice(["flat", "house"], rows)
    noise = random.normal(size=rows) / 4
    price = np.exp(4 + area + (kind == "house") + noise)
    return pd.DataFrame({"area": area, "kind": kind, "price": price})


def test_the_command_and_python_give_the_same_in_units(tmp_path, capfd):
    rows, path, file = sales(), tmp_path / "run", str(tmp_path / "sales.csv")
    rows.to_csv(file, index=False)
    options = ["--target", "price", "--log-target", "--interval", "0.8"]
    assert run(["fit", file, *options, "--epochs", "2", "--run", str(path)]) == 0
    told = capfd.readouterr().out
    assert "its logarithm is learned" in told and "skewed" not in told
    fitted = gt.fit(rows, "price", log_target=True, interval=0.8, **QUICK)
    predictor = gt.load(path)
    assert predictor.scores == fitted.scores
    predicted = fitted.predict(rows)
    assert np.array_equal(predicted, predictor.predict(rows)) and (predicted > 0).all()
    tested = fitted.test_rows
    errors = predicted[tested] - rows["price"].to_numpy()[tested]
    assert fitted.scores["model"]["mae"] == pytest.approx(np.abs(errors).mean())
    out = tmp_path / "out.csv"
    assert run(["predict", file, "--run", str(path), "-o", str(out)]) == 0
    assert np.allclose(pd.read_csv(out)["prediction"], predicted)
    assert run(["predict", "--test-rows", "--run", str(path), "-o", str(out)]) == 0
    assert np.allclose(pd.read_csv(out)["prediction"], predicted[tested])
    ends = predictor.predict_interval(rows)
    assert np.allclose(ends.mean(axis=1), predicted)
    low, high = ends[tested].T
    inside = np.mean((low <= rows["price"][tested]) & (rows["price"][tested] <= high))
    assert fitted.scores["model"]["coverage_0.8"] == pytest.approx(inside)
    scores = evaluate_file(TableRunFolder(path), tmp_path / "sales.csv").scores
    error = np.abs(predicted - rows["price"]).mean()
    assert scores["model"]["mae"] == pytest.approx(error)
    importance = importance_of_run(TableRunFolder(path), repeats=1)
    assert importance.score == pytest.approx(fitted.scores["model"]["rmse"])
    assert run(["resume", "--run", str(path), "--epochs", "3"]) == 0
    assert gt.load(path).model.log_scale is not None


def test_folds_a_last_training_and_a_metric_go_along(tmp_path):
    rows, options = sales(), {"metric": "mae", "folds": 2, "final": True}
    fitted = gt.fit(rows, "price", log_target=True, **options, **QUICK)
    assert len(fitted.test_rows) == len(rows)
    # In the target's units, of the target that is a few hundreds.
    assert 1 < min(fitted.history["val_mae"]) < rows["price"].std()
    fitted.save(tmp_path / "run")
    kept = gt.load(tmp_path / "run")
    assert np.array_equal(kept.predict(rows), fitted.predict(rows))
    assert fitted.scores["model"]["r2"] > 0


def test_quantiles_are_those_of_the_target(tmp_path):
    rows, levels = sales(), [0.1, 0.5, 0.9]
    fitted = gt.fit(rows, "price", log_target=True, quantiles=levels, **QUICK)
    predicted, tested = fitted.predict(rows), fitted.test_rows
    assert (predicted > 0).all() and (np.diff(predicted) > 0).all()
    y = torch.tensor(rows["price"].to_numpy()[tested])
    losses = pinball_losses(torch.tensor(predicted[tested]), y, levels)
    assert fitted.scores["model"]["pinball"] == pytest.approx(losses.mean().item())
    linear = fitted.scores["linear"]["pinball"]
    assert linear < fitted.scores["baseline"]["pinball"]
    fitted.save(tmp_path / "run")
    assert np.array_equal(gt.load(tmp_path / "run").predict(rows), predicted)


@pytest.mark.parametrize("by", ["linear", "mean"])
def test_a_linear_model_that_is_delivered_answers_in_units(by, tmp_path):
    rows = sales()
    fitted = gt.fit(rows, "price", log_target=True, **QUICK)
    baselines = fitted.model._linear
    assert baselines, "the choice keeps the linear model"
    fitted.model.deliver(by, baselines[0])
    fitted.save(tmp_path / "run")
    kept = gt.load(tmp_path / "run")
    assert kept.model.answered_by == by
    assert np.array_equal(kept.predict(rows), fitted.predict(rows))
    assert 1 - np.var(kept.predict(rows) - rows["price"]) / rows["price"].var() > 0.5


def test_it_is_stored_where_it_is_chosen_alone_and_refused_where_damaged(tmp_path):
    assert "log_target" not in TabularConfig().to_dict()
    assert TabularConfig(log_target=True).to_dict()["log_target"] is True
    fitted = gt.fit(sales(), "price", log_target=True, **QUICK)
    fitted.save(tmp_path / "run")
    folder = tmp_path / "run" / "model"
    files = read_folder(folder)
    stored = json.loads(files["model.json"])
    assert stored["log_target"] is True
    for damaged in (False, 1, "yes", None):
        content = json.dumps({**stored, "log_target": damaged}).encode()
        write_folder(
            folder, {n: [c] for n, c in files.items()} | {"model.json": [content]}
        )
        with pytest.raises(DamagedError, match="the log_target"):
            gt.load(folder)
