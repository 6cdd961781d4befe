"""Scores of a run on a file, against the same by hand."""

import shutil

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from sklearn import metrics

from gradatim.errors import DataError, SchemaError
from gradatim.store.manifest import read_folder, write_folder
from gradatim.tables.saved.evaluate import evaluate_file
from gradatim.tables.saved.folder import TableRunFolder
from gradatim.tables.saved.predict import predict_file
from gradatim.tables.saved.test_rows import TestRows
from tests.houses import TARGETS, with_target


def by_hand(one, file, tmp_path):
    """scikit-learn's scores of what ``predict`` writes for the same file."""
    run, output = one.run, tmp_path / "out.parquet"
    predict_file(run.load_model(), run.schema, file, output)
    found, target = pq.read_table(output), run.schema.target
    truth = pd.read_csv(file)[target.name].to_numpy()
    predictions = found["prediction"].to_numpy()
    if target.task == "regression":
        return {
            "rmse": metrics.root_mean_squared_error(truth, predictions),
            "mae": metrics.mean_absolute_error(truth, predictions),
            "median_error": metrics.median_absolute_error(truth, predictions),
            "r2": metrics.r2_score(truth, predictions),
        }
    shares = np.column_stack([c.to_numpy() for c in found.columns[1:]]).astype(float)
    shares /= shares.sum(axis=1, keepdims=True)
    scores = {
        "accuracy": metrics.accuracy_score(truth, predictions),
        "balanced_accuracy": metrics.balanced_accuracy_score(truth, predictions),
        "log_loss": metrics.log_loss(truth, shares, labels=list(target.labels)),
    }
    if target.task == "binary":
        scores["roc_auc"] = metrics.roc_auc_score(truth, shares[:, 1])
        second = truth == target.labels[1]
        precision = metrics.average_precision_score(second, shares[:, 1])
        scores["average_precision"] = precision
        scores["f1"] = metrics.f1_score(second, predictions == target.labels[1])
    else:
        scores["f1"] = metrics.f1_score(truth, predictions, average="macro")
    return scores


@pytest.mark.parametrize("rows", ["trained on", "new"])
@pytest.mark.parametrize("target", TARGETS)
def test_scores_are_those_by_hand(target, rows, trained, tmp_path):
    one = trained(target)
    file = one.csv
    if rows == "new":
        file = tmp_path / "new.csv"
        with_target(target, rows=90, seed=1).to_csv(file, index=False)
    found = evaluate_file(one.run, file)
    assert found.num_rows == (160 if rows == "trained on" else 90)
    scores = dict(found.scores["model"])
    if "accuracy" in scores:  # its bins are compared in the test of scores
        assert 0 <= scores.pop("calibration_error") <= 1
    assert scores == pytest.approx(by_hand(one, file, tmp_path), rel=1e-5)


@pytest.mark.parametrize("target", ["price", "dear", "town"])
def test_what_stands_beside_is_what_stood_beside_in_training(target, trained, tmp_path):
    """On the very rows that training was scored on, all scores are the same."""
    one = trained(target)
    rows = TestRows.read(one.run.path, one.run.schema).row.tolist()
    file = tmp_path / "tested.csv"
    pd.read_csv(one.csv).iloc[rows].to_csv(file, index=False)
    found = evaluate_file(one.run, file).scores
    assert list(found) == list(one.run.scores["scores"])
    for name, scores in one.run.scores["scores"].items():
        assert found[name] == pytest.approx(scores, rel=1e-6)


def test_a_run_of_an_earlier_version_has_no_linear_model(trained, tmp_path):
    one = trained("price")
    copied = tmp_path / "run"
    shutil.copytree(one.run.path, copied)
    files = read_folder(copied / "model")
    del files["baselines.safetensors"]
    write_folder(copied / "model", {name: [text] for name, text in files.items()})
    found = evaluate_file(TableRunFolder(copied), one.csv)
    assert list(found.scores) == ["baseline", "model"]
    assert any("kept no linear model" in line for line in found.notices)
    truth = pd.read_csv(one.csv)["price"]
    deviation = pytest.approx(truth.std(ddof=0), rel=1e-6)
    assert found.scores["baseline"]["rmse"] == deviation


def test_the_training_file_is_told(trained, tmp_path):
    one = trained("price")
    (note,) = evaluate_file(one.run, one.csv).notices
    assert "price.csv has the name and size of the file this run was trained on" in note
    renamed = tmp_path / "other.csv"
    renamed.write_bytes(one.csv.read_bytes())
    assert evaluate_file(one.run, renamed).notices == []


def test_rows_without_a_target_are_refused_or_left_out(trained, tmp_path):
    one, frame = trained("price"), with_target("price")
    frame.loc[[2, 5], "price"] = None
    file = tmp_path / "new.csv"
    frame.to_csv(file, index=False)
    with pytest.raises(
        DataError, match=r"in 2 of 160 rows(.|\n)*--drop-missing-target"
    ):
        evaluate_file(one.run, file)
    found = evaluate_file(one.run, file, drop_missing_target=True)
    assert found.num_rows == 158


def test_a_file_without_the_target_is_refused(trained, tmp_path):
    one, file = trained("price"), tmp_path / "new.csv"
    with_target("price").rename(columns={"price": "prize"}).to_csv(file, index=False)
    with pytest.raises(SchemaError, match=r"no column 'price', .*Did you mean 'prize'"):
        evaluate_file(one.run, file)


def test_a_class_that_training_did_not_have_is_refused(trained, tmp_path):
    one, file = trained("town"), tmp_path / "new.csv"
    frame = with_target("town")
    frame.loc[7, "town"] = "Zell"
    frame.to_csv(file, index=False)
    with pytest.raises(DataError, match=r"row 8: 'Zell' is none of the 3 classes"):
        evaluate_file(one.run, file)


def test_unseen_categories_are_noticed(trained, tmp_path):
    one, file = trained("price"), tmp_path / "new.csv"
    with_target("price").assign(kind="castle", more=1).to_csv(file, index=False)
    notices = evaluate_file(one.run, file).notices
    assert any("castle" in note for note in notices)
    assert any("'more'" in note for note in notices)
