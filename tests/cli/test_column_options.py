"""What the owner says of columns at the command line, and in a file to be edited."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gradatim.cli.main import run
from gradatim.data import read_edited, read_table


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "store": random.integers(0, 5, 80) * 10,
            "day": 20230101 + random.integers(0, 28, 80),
            "size": random.choice(["low", "mid", "high"], 80),
            "age": random.choice([30, 40, -999], 80),
            "code": random.integers(0, 9, 80),
            "price": random.normal(size=80).round(2),
        }
    )
    frame.to_csv("a.csv", index=False)


SAID = (
    *("--category", "store", "--date", "day=%Y%m%d", "--ordered", "size=low,mid,high"),
    *("--missing", "age=-999", "--id", "code"),
)


def kinds(run_path):
    columns = json.loads(Path(run_path, "schema.json").read_text())["columns"]
    return {column["name"]: (column["kind"], column["used"]) for column in columns}


def test_a_run_keeps_what_was_said_and_predicts_by_it(capfd):
    arguments = ["fit", "a.csv", "--target", "price", "--epochs", "1", "--run", "r"]
    assert run([*arguments, *SAID]) == 0
    assert kinds("r") == {
        "store": ("category", True),
        "day": ("datetime", True),
        "size": ("number", True),
        "age": ("number", True),
        "code": ("number", False),
    }
    assert json.loads(Path("r/config.json").read_text())["date"] == ["day=%Y%m%d"]
    assert run(["predict", "a.csv", "--run", "r", "-o", "out.csv"]) == 0
    assert run(["evaluate", "a.csv", "--run", "r"]) == 0
    assert run(["resume", "--run", "r", "--epochs", "2"]) == 0
    frame = pd.read_csv("a.csv")
    assert len(pd.read_csv("out.csv")) == len(frame)


def test_a_file_to_edit_says_what_was_changed_in_it(capfd):
    arguments = ["inspect", "a.csv", "--target", "price", "--edit", "c.json"]
    assert run([*arguments, "--category", "store"]) == 0
    assert "gradatim fit a.csv --schema c.json" in capfd.readouterr().out
    unchanged = read_edited("c.json")
    assert unchanged == {
        "target": "price",
        "task": "regression",
        "category": {"store": None},
    }
    data = json.loads(Path("c.json").read_text())
    columns = data["columns"]
    columns["day"] |= {"kind": "date", "form": "%Y%m%d"}
    columns["size"] |= {"kind": "ordered", "order": ["low", "mid", "high"]}
    columns["age"]["missing"] = ["-999"]
    columns["code"]["use"] = False
    Path("c.json").write_text(json.dumps(data))
    assert (
        run(["fit", "a.csv", "--schema", "c.json", "--epochs", "1", "--run", "r"]) == 0
    )
    found = kinds("r")
    assert found["day"] == ("datetime", True)
    assert found["size"] == ("number", True)
    assert found["code"][1] is False
    table = read_table("a.csv", **read_edited("c.json"))
    of_run = json.loads(Path("r/schema.json").read_text())
    assert table.schema.to_dict() == of_run
    assert run(arguments) == 2
    assert "c.json: the file exists" in " ".join(capfd.readouterr().err.split())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data["columns"]["day"].update(kind="dates"), "mean 'date'"),
        (lambda data: data["columns"]["day"].update(knd="date"), "entry 'knd'"),
        (lambda data: data["columns"]["day"].update(use="no"), "has use = 'no'"),
        (lambda data: data["columns"].update(day=3), "has 3 where an object"),
        (lambda data: data.pop("columns"), "lacks the entry 'columns'"),
        (lambda data: data["columns"].update(dayy={"kind": "id"}), "no column 'dayy'"),
    ],
)
def test_a_file_that_says_what_cannot_be_is_refused(change, message, capfd):
    assert run(["inspect", "a.csv", "--target", "price", "--edit", "c.json"]) == 0
    data = json.loads(Path("c.json").read_text())
    change(data)
    Path("c.json").write_text(json.dumps(data))
    capfd.readouterr()
    assert run(["fit", "a.csv", "--schema", "c.json"]) in (1, 2)
    assert message in " ".join(capfd.readouterr().err.split())
    assert not Path("runs").exists()
    Path("c.json").write_text("{")
    assert run(["fit", "a.csv", "--schema", "c.json"]) == 2
    assert "c.json cannot be read" in capfd.readouterr().err


def test_a_second_target_is_an_error(capfd):
    assert run(["fit", "a.csv", "--target", "price", "--target", "age"]) == 2
    assert "--target price --target age" in " ".join(capfd.readouterr().err.split())


def test_options_without_a_file_have_no_meaning(capfd):
    assert run(["fit", "--category", "store"]) == 2
    assert "--category without a FILE" in " ".join(capfd.readouterr().err.split())


def test_weights_are_kept_in_the_run_and_asked_of_later_files(capfd):
    frame = pd.read_csv("a.csv").assign(w=[1, 2, 0.5, 3] * 20, dear=["y", "n"] * 40)
    frame.to_csv("w.csv", index=False)
    arguments = ["fit", "w.csv", "--target", "dear", "--epochs", "1", "--run", "r"]
    assert run([*arguments, "--weight", "w", "--class-weight", "balanced"]) == 0
    out = capfd.readouterr().out
    assert "weights: each row counts what w says" in out
    assert "weights: balanced, so that all classes count the same" in out
    training = json.loads(Path("r/config.json").read_text())["training"]
    assert (training["weight"], training["class_weight"]) == ("w", "balanced")
    assert run(["resume", "--run", "r", "--epochs", "2"]) == 0
    assert "resume is exact" in capfd.readouterr().err
    assert run(["evaluate", "w.csv", "--run", "r", "--json"]) == 0
    weighted = json.loads(capfd.readouterr().out)["scores"]["model"]["log_loss"]
    frame.drop(columns="w").to_csv("new.csv", index=False)
    assert run(["evaluate", "new.csv", "--run", "r", "--json"]) == 0
    out, err = capfd.readouterr()
    assert "new.csv has no column 'w', by which the run weighs its rows" in err
    assert json.loads(out)["scores"]["model"]["log_loss"] != weighted
    assert run(["predict", "new.csv", "--run", "r", "-o", "out.csv"]) == 0
    frame.assign(w=1).to_csv("w.csv", index=False)
    assert run(["resume", "--run", "r", "--epochs", "3"]) == 1  # other data
