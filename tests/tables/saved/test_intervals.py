"""``interval``: from the training to the columns of a prediction."""

import json

import numpy as np
import pandas as pd
import pytest

import gradatim as gt
from gradatim.cli.main import run
from gradatim.errors import ConfigError, DamagedError, DataError
from gradatim.store.manifest import read_folder, write_folder
from gradatim.tables.saved.evaluate import evaluate_file
from gradatim.tables.saved.folder import TableRunFolder
from tests.houses import with_target

QUICK = {"epochs": 2, "progress": False}


def test_the_command_writes_lower_and_upper_that_python_gives(tmp_path, capfd):
    rows, path = with_target("price"), tmp_path / "run"
    rows.to_csv(tmp_path / "price.csv", index=False)
    arguments = ["--target", "price", "--epochs", "2", "--interval", "0.8"]
    file = str(tmp_path / "price.csv")
    assert run(["fit", file, *arguments, "--run", str(path)]) == 0
    told = capfd.readouterr().out
    assert "coverage_0.8" in told and "interval_width" in told
    assert "lower and upper beside each prediction: ±" in told
    fitted = gt.fit(rows, "price", interval=0.8, **QUICK)
    predictor = gt.load(path)
    assert predictor.scores == fitted.scores
    ends = fitted.predict_interval(rows)
    assert np.array_equal(ends, predictor.predict_interval(rows))
    width = fitted.scores["model"]["interval_width"]
    assert np.allclose(ends[:, 1] - ends[:, 0], width)
    assert np.allclose(ends.mean(axis=1), fitted.predict(rows))
    # The coverage is that of the test rows.
    tested = rows["price"].to_numpy()[fitted.test_rows]
    low, high = ends[fitted.test_rows].T
    inside = np.mean((low <= tested) & (tested <= high))
    assert fitted.scores["model"]["coverage_0.8"] == pytest.approx(inside)
    assert set(fitted.intervals) == set(fitted.scores["model"])
    out = tmp_path / "out.csv"
    assert run(["predict", file, "--run", str(path), "-o", str(out)]) == 0
    written = pd.read_csv(out)
    assert list(written) == ["prediction", "lower", "upper"]
    assert np.allclose(written[["lower", "upper"]], ends)
    assert run(["predict", "--test-rows", "--run", str(path), "-o", str(out)]) == 0
    written = pd.read_csv(out)
    assert np.allclose(written[["lower", "upper"]], ends[fitted.test_rows])
    scores = evaluate_file(TableRunFolder(path), tmp_path / "price.csv").scores
    low, high = ends.T
    inside = np.mean((low <= rows["price"]) & (rows["price"] <= high))
    assert scores["model"]["coverage_0.8"] == pytest.approx(inside)
    assert set(scores["linear"]) == set(scores["model"])


@pytest.mark.parametrize("options", [{"folds": 3}, {"folds": 2, "final": True}])
def test_folds_and_a_last_training_have_intervals(options, tmp_path):
    fitted = gt.fit(with_target("price"), "price", interval=0.5, **options, **QUICK)
    fitted.save(tmp_path / "run")
    out = tmp_path / "out.csv"
    arguments = ["--run", str(tmp_path / "run"), "-o", str(out)]
    assert run(["predict", "--test-rows", *arguments]) == 0
    tested = pd.read_csv(out)
    inside = (tested["lower"] <= tested["price"]) & (tested["price"] <= tested["upper"])
    by_fold = inside.groupby(tested["fold"]).mean()
    coverage = fitted.scores["model"]["coverage_0.5"]
    assert coverage == pytest.approx(by_fold.mean())
    half_widths = ((tested["upper"] - tested["lower"]) / 2).unique()
    kept = fitted.model.conformal.half_widths["model"]
    if options == {"folds": 3}:
        assert np.isclose(half_widths, kept).any()
    if "final" in options:  # of the errors of all folds
        assert half_widths.min() <= kept <= half_widths.max()


def test_large_integers_and_weights_go_along():
    rows = with_target("price").assign(count=range(1, 161))
    rows["price"] = (rows["price"] * 100).round().astype(int) + 2**40
    fitted = gt.fit(rows, "price", weight="count", interval=0.8, **QUICK)
    tested = rows.iloc[fitted.test_rows]
    low, high = fitted.predict_interval(tested).T
    assert low.min() > 2**40 - 2**20
    inside = (low <= tested["price"]) & (tested["price"] <= high)
    share = np.average(inside, weights=tested["count"])
    assert fitted.scores["model"]["coverage_0.8"] == pytest.approx(share)


@pytest.mark.parametrize(
    ("target", "options", "error", "told"),
    [
        ("dear", {"interval": 0.9}, ConfigError, "'dear' is a class.*probabilities"),
        ("price", {"interval": 1.0}, ConfigError, "between 0.001 and 0.9999"),
        ("price", {"interval": 90}, ConfigError, "got 90"),
        ("price", {"interval": 0.99}, DataError, "24 rows to validate.*99 errors"),
    ],
)
def test_what_cannot_be_is_refused(target, options, error, told):
    with pytest.raises(error, match=f"(?s){told}"):
        gt.fit(with_target(target), target, **options, **QUICK)


def test_a_model_without_intervals_says_so(trained):
    with pytest.raises(ConfigError, match=r"interval=0\.9"):
        gt.load(trained("price").run.path).predict_interval(trained("price").csv)


def test_damaged_intervals_are_refused(tmp_path):
    fitted = gt.fit(with_target("price"), "price", interval=0.5, **QUICK)
    fitted.save(tmp_path / "run")
    folder = tmp_path / "run" / "model"
    files = read_folder(folder)
    stored = json.loads(files["model.json"])
    widths = stored["conformal"]["half_widths"]
    for conformal in (
        {"level": 2, "half_widths": widths},
        {"level": 0.5, "half_widths": {**widths, "model": -1}},
        {"level": 0.5, "half_widths": {"model": 1}},
        [],
    ):
        content = json.dumps({**stored, "conformal": conformal}).encode()
        write_folder(
            folder, {n: [c] for n, c in files.items()} | {"model.json": [content]}
        )
        with pytest.raises(DamagedError, match="the intervals"):
            gt.load(folder)
