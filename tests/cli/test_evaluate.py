import json
import re

import pytest

import gradatim as gt
from gradatim.cli.main import run
from gradatim.tables.model.scores import SCORE_NAMES
from tests.houses import with_target


@pytest.mark.parametrize(
    ("target", "names"),
    [
        ("price", SCORE_NAMES["regression"]),
        ("dear", SCORE_NAMES["binary"]),
        ("town", SCORE_NAMES["classification"]),
    ],
)
def test_scores_of_new_rows_are_told(target, names, trained, tmp_path, capfd):
    folder, file = trained(target), tmp_path / "new.csv"
    with_target(target, rows=1_200, seed=1).to_csv(file, index=False)
    capfd.readouterr()
    assert run(["evaluate", str(file), "--run", str(folder / "run")]) == 0
    out, err = capfd.readouterr()
    assert out.startswith(f"{file}: 1,200 rows\n")
    header, *rows = out.splitlines()[1:]
    models = ["this model", "linear model", "mean" if target == "price" else "majority"]
    if (by := gt.load(folder / "run").model.answered_by) != "network":
        models.insert(1, "network")
    assert re.split(r"\s{2,}", header.strip()) == models  # as `fit` calls them
    assert [row.split()[0] for row in rows] == list(names)
    assert err.startswith("note: this model is") if by != "network" else err == ""


def test_rows_of_the_training_file_are_noted(trained, capfd):
    folder = trained("price")
    capfd.readouterr()
    assert (
        run(["evaluate", str(folder / "houses.csv"), "--run", str(folder / "run")]) == 0
    )
    assert (
        "note: houses.csv has the name and size of the file" in capfd.readouterr().err
    )


def test_json_has_rows_and_scores(trained, capfd):
    folder = trained("town")
    file = str(folder / "houses.csv")
    capfd.readouterr()
    assert run(["evaluate", file, "--run", str(folder / "run"), "--json"]) == 0
    told = json.loads(capfd.readouterr().out)
    assert set(told) == {"file", "rows", "scores"}
    assert told["file"] == file and told["rows"] == 160
    assert set(told["scores"]) - {"network"} == {"baseline", "linear", "model"}
    assert 0 <= told["scores"]["model"]["accuracy"] <= 1


def test_rows_without_a_target_are_refused_or_left_out(trained, tmp_path, capfd):
    folder, file = trained("price"), tmp_path / "new.csv"
    frame = with_target("price")
    frame.loc[3, "price"] = None
    frame.to_csv(file, index=False)
    arguments = ["evaluate", str(file), "--run", str(folder / "run")]
    capfd.readouterr()
    assert run(arguments) == 1
    assert "--drop-missing-target" in capfd.readouterr().err
    assert run([*arguments, "--drop-missing-target"]) == 0
    assert "159 rows" in capfd.readouterr().out


def test_a_score_that_is_not_defined_is_a_dash_and_null(trained, tmp_path, capfd):
    folder, file = trained("dear"), tmp_path / "new.csv"
    with_target("dear").query("dear == 'yes'").to_csv(file, index=False)
    arguments = ["evaluate", str(file), "--run", str(folder / "run")]
    capfd.readouterr()
    assert run(arguments) == 0
    assert re.search(r"^roc_auc +- +- +-", capfd.readouterr().out, re.M)
    assert run([*arguments, "--json"]) == 0
    scores = json.loads(capfd.readouterr().out)["scores"]
    assert scores["model"]["roc_auc"] is None
