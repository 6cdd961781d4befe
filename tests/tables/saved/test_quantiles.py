"""``quantiles``: from the training to the columns of a prediction."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import mean_pinball_loss
from torch import nn

import gradatim as gt
from gradatim.cli.main import run
from gradatim.errors import ConfigError, DamagedError, RunError
from gradatim.store.manifest import read_folder, write_folder
from gradatim.tables.fit.config import TabularConfig
from gradatim.tables.saved.evaluate import evaluate_file
from gradatim.tables.saved.folder import TableRunFolder
from gradatim.tables.saved.importance import importance_of_run
from gradatim.tables.saved.test_rows import TestRows
from tests.houses import with_target

QUICK = {"epochs": 2, "progress": False}
QUANTILES = [0.1, 0.5, 0.9]
NAMES = ["quantile_0.1", "quantile_0.5", "quantile_0.9"]


def by_hand(targets, predictions, weights=None):
    losses = [
        mean_pinball_loss(targets, predictions[:, i], alpha=q, sample_weight=weights)
        for i, q in enumerate(QUANTILES)
    ]
    inside = (predictions[:, 0] <= targets) & (targets <= predictions[:, 2])
    return [*losses, np.mean(losses), np.average(inside, weights=weights)]


def test_the_command_and_python_give_the_same_quantiles(tmp_path, capfd):
    rows, path = with_target("price"), tmp_path / "run"
    rows.to_csv(tmp_path / "price.csv", index=False)
    file, out = str(tmp_path / "price.csv"), tmp_path / "out.csv"
    arguments = ["--target", "price", "--epochs", "2", "--quantiles", "0.9,0.1,0.5"]
    assert run(["fit", file, *arguments, "--run", str(path)]) == 0
    told = capfd.readouterr()
    assert "doctor" not in told.err
    assert "constant" in told.out and "coverage_0.8" in told.out
    fitted = gt.fit(rows, "price", quantiles=QUANTILES, **QUICK)
    predictor = gt.load(path)
    assert predictor.scores == fitted.scores
    for name, values in fitted.model.state_dict().items():
        assert torch.equal(values, predictor.model.state_dict()[name])
    predicted = fitted.predict(rows)
    assert predicted.shape == (160, 3) and (np.diff(predicted) >= 0).all()
    tested = rows["price"].to_numpy()[fitted.test_rows]
    names = [*(f"pinball_{q}" for q in QUANTILES), "pinball", "coverage_0.8"]
    found = [fitted.scores["model"][name] for name in names]
    assert found == pytest.approx(by_hand(tested, predicted[fitted.test_rows]))
    assert (
        set(fitted.intervals)
        == set(fitted.scores["linear"])
        == {
            *names,
            "interval_width",
        }
    )
    assert fitted.scores["model"]["pinball"] < fitted.scores["baseline"]["pinball"]
    assert run(["predict", file, "--run", str(path), "-o", str(out)]) == 0
    assert list(pd.read_csv(out)) == NAMES
    assert np.allclose(pd.read_csv(out), predicted)
    assert run(["predict", "--test-rows", "--run", str(path), "-o", str(out)]) == 0
    assert np.allclose(pd.read_csv(out)[NAMES], predicted[fitted.test_rows])
    scores = evaluate_file(TableRunFolder(path), tmp_path / "price.csv").scores
    found = [scores["model"][name] for name in names]
    assert found == pytest.approx(by_hand(rows["price"].to_numpy(), predicted))
    importance = importance_of_run(TableRunFolder(path), repeats=1)
    assert importance.metric == "pinball"
    assert importance.score == pytest.approx(fitted.scores["model"]["pinball"])
    assert run(["resume", "--run", str(path), "--epochs", "3"]) == 0
    assert gt.load(path).model.quantiles == tuple(QUANTILES)


def test_weights_folds_a_last_training_and_the_metric_go_along():
    rows = with_target("price").assign(count=range(1, 161))
    rows["price"] = (rows["price"] * 100).round().astype(int) + 2**40
    options = {"weight": "count", "metric": "pinball_0.9", "quantiles": QUANTILES}
    fitted = gt.fit(rows, "price", **options, **QUICK)
    tested = rows.iloc[fitted.test_rows]
    expected = by_hand(tested["price"], fitted.predict(tested), tested["count"])
    found = list(fitted.scores["model"].values())[:5]
    assert found == pytest.approx(expected, rel=1e-4)
    assert "val_pinball_0.9" in fitted.history
    fitted = gt.fit(rows, "price", folds=3, final=True, **options, **QUICK)
    assert len(fitted.test_rows) == 160
    assert (np.diff(fitted.predict(rows)) >= 0).all()


def test_a_network_of_ones_own_has_an_output_for_each():
    asked = []

    def factory(num_features, num_outputs):
        asked.append(num_outputs)
        return nn.Linear(num_features, num_outputs)

    rows = with_target("price")
    fitted = gt.fit(rows, "price", quantiles=[0.5], model=factory, **QUICK)
    assert asked[-1] == 1 and fitted.predict(rows).shape == (160, 1)
    assert list(fitted.scores["model"]) == ["pinball_0.5", "pinball"]


@pytest.mark.parametrize(
    ("target", "options", "told"),
    [
        ("dear", {"quantiles": [0.5]}, "'dear' is a class"),
        ("price", {"quantiles": [0.5], "interval": 0.9}, "Leave one of the two out"),
        ("price", {"quantiles": [0.5], "metric": "rmse"}, "no score of quantiles"),
        ("price", {"quantiles": []}, r"quantiles are \[\]"),
        ("price", {"quantiles": [0.5, 0.5]}, "different numbers"),
        ("price", {"quantiles": [0.5, 1.0]}, "from 0.001 to 0.9999"),
        ("price", {"quantiles": [0.123456]}, "four digits"),
    ],
)
def test_what_cannot_be_is_refused(target, options, told):
    with pytest.raises(ConfigError, match=told):
        gt.fit(with_target(target), target, **options, **QUICK)


def test_what_are_no_numbers_is_refused(tmp_path, capfd):
    with_target("price").to_csv(tmp_path / "price.csv", index=False)
    arguments = ["fit", str(tmp_path / "price.csv"), "--target", "price"]
    assert run([*arguments, "--quantiles", "5%"]) == 2
    assert "'5%' are no numbers such as 0.05,0.5,0.95" in capfd.readouterr().err


def test_choices_are_stored_as_json_has_them():
    config = TabularConfig(quantiles=[0.9, 0.1])
    stored = json.loads(json.dumps(config.to_dict()))
    assert stored["quantiles"] == [0.1, 0.9]
    assert TabularConfig.from_dict(stored) == config
    assert "quantiles" not in TabularConfig().to_dict()


def test_damaged_quantiles_are_refused(tmp_path):
    fitted = gt.fit(with_target("price"), "price", quantiles=[0.1, 0.9], **QUICK)
    fitted.save(tmp_path / "run")
    folder = tmp_path / "run" / "model"
    files = {name: [content] for name, content in read_folder(folder).items()}
    stored = json.loads(files["model.json"][0])
    for quantiles in ([0.9, 0.1], [0.1, 2], [0.1], 3):
        content = json.dumps({**stored, "quantiles": quantiles}).encode()
        write_folder(folder, {**files, "model.json": [content]})
        with pytest.raises(RunError):
            gt.load(folder)
    write_folder(folder, files)
    gt.load(folder)
    assert TableRunFolder(tmp_path / "run").quantiles == [0.1, 0.9]
    with pytest.raises(DamagedError, match="does not fit"):
        TestRows.read(tmp_path / "run", fitted.schema, [0.5])
