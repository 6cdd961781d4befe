"""``gradatim fit``: what it tells, writes and refuses."""

import json
import re
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from gradatim.cli.main import run
from tests.houses import houses, with_target


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def config(path):
    return json.loads(Path(path, "config.json").read_text(encoding="utf-8"))


class TestLine:
    def test_a_and_b_stand_beside_least_squares(self, capfd):
        assert run(["fit"]) == 0
        out = capfd.readouterr().out
        trained = re.search(r"trained +(\S+) +(\S+)", out)
        best = re.search(r"least squares +(\S+) +(\S+)", out)
        assert best.groups() == ("1.0235", "1.9690")
        for ours, theirs in zip(trained.groups(), best.groups(), strict=True):
            assert float(ours) == pytest.approx(float(theirs), abs=0.01)
        assert "run: runs/001-line" in out

    def test_its_run_predicts_a_file_with_a_column_x(self, capfd):
        assert run(["fit", "--seed", "7", "--epochs", "50"]) == 0
        a, b = map(
            float, re.search(r"trained +(\S+) +(\S+)", capfd.readouterr().out).groups()
        )
        Path("new.csv").write_text("note,x\nq,0\nr,0.5\ns,\n")
        assert run(["predict", "new.csv", "-o", "out.csv"]) == 0
        found = pd.read_csv("out.csv")["prediction"]
        assert found[0] == pytest.approx(a, abs=1e-4)
        assert found[1] == pytest.approx(a + b / 2, abs=1e-4)
        assert "'note'" in capfd.readouterr().err
        assert run(["show"]) == 0
        assert "the tutorial's line" in capfd.readouterr().out

    def test_choices_are_kept(self):
        arguments = [
            "--epochs",
            "3",
            "--batch-size",
            "8",
            "--lr",
            "0.05",
            "--seed",
            "3",
        ]
        assert run(["fit", *arguments, "--run", "a b/ö"]) == 0
        training = config("a b/ö")["training"]
        chosen = {"epochs": 3, "batch_size": 8, "lr": 0.05, "seed": 3}
        assert training | chosen == training

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--target", "y"], "--target without a FILE"),
            (["--drop", "x", "--keep", "y"], "--drop, --keep without a FILE"),
            (["--hidden", "3"], "--hidden without a FILE"),
            (["--val", "0.1", "--threads", "1"], "--val, --threads without a FILE"),
            (["--model", "net.py:make"], "--model without a FILE"),
            (["--drop-missing-target"], "--drop-missing-target without a FILE"),
            (["--epochs", "0"], "epochs must be 1 or more, got 0"),
            (["--lr", "many"], "--lr"),
        ],
    )
    def test_what_has_no_meaning_is_refused(self, arguments, message, capfd):
        assert run(["fit", *arguments]) == 2
        assert message in " ".join(capfd.readouterr().err.split())
        assert list(Path().iterdir()) == []

    def test_a_loss_that_is_no_number_ends_it(self, capfd):
        assert run(["fit", "--lr", "1e30"]) == 1
        assert re.search(r"gradatim: .*(NaN|inf).*step", capfd.readouterr().err)
        assert list(Path("runs").iterdir()) == []


class TestTable:
    @pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet"])
    def test_a_file_becomes_a_run(self, suffix, capfd):
        frame, file = with_target("town"), f"Häuser 2027.{suffix}"
        if suffix == "parquet":
            frame["built"] = pd.to_datetime(frame["built"])
            frame.to_parquet(file, index=False)
        else:
            frame.to_csv(file, index=False, sep="," if suffix == "csv" else "\t")
        arguments = ["--target", "town", "--epochs", "2", "--seed", "1"]
        assert run(["fit", file, *arguments]) == 0
        out = capfd.readouterr().out
        assert f"{file}: 160 rows, 6 columns" in out
        assert "target: town, 3 classes (Aach, Ulm, Öhringen)" in out
        assert "features: 5 columns" in out
        assert "rows: 112 to train, 24 to validate, 24 to test (seed 1)" in out
        assert "scores on 24 test rows, never trained on or chosen by:" in out
        models = " +".join(["this model", "95 % interval", "linear model", "majority"])
        assert re.search(rf"^ +{models}$", out, re.M)
        score = r"0\.\d+"
        row = rf"^accuracy +{score} +{score} to {score} +{score} +{score}$"
        assert re.search(row, out, re.M)
        assert "run: runs/001-Häuser-2027" in out
        found = config("runs/001-Häuser-2027")
        size = Path(file).stat().st_size
        place = f"../../{file}"
        assert found["file"] == {"name": file, "bytes": size, "path": place}
        assert found["task"] == "classification"
        assert found["training"]["seed"] == 1

    def test_what_is_left_out_is_told_with_the_reason(self, capfd):
        frame = with_target("price").assign(id=range(160), same=3)
        frame.to_csv("houses.csv", index=False)
        arguments = ["--target", "price", "--drop", "rooms", "--keep", "id"]
        assert run(["fit", "houses.csv", *arguments, "--epochs", "1"]) == 0
        out = capfd.readouterr().out
        assert "left out: rooms (dropped by name)" in out
        assert "left out: same (every row has the value 3)" in out
        assert "left out: id" not in out
        assert config("runs/001-houses")["drop"] == ["rooms"]
        assert config("runs/001-houses")["keep"] == ["id"]

    def test_choices_are_kept(self):
        with_target("grade").to_csv("houses.csv", index=False)
        arguments = ["--target", "grade", "--task", "regression", "--epochs", "2"]
        arguments += ["--batch-size", "16", "--lr", "0.01", "--hidden", "8"]
        arguments += ["--val", "0.2", "--test", "0.25", "--seed", "5", "--threads", "1"]
        assert run(["fit", "houses.csv", *arguments]) == 0
        found = config("runs/001-houses")
        assert found["task"] == "regression"
        assert found["rows"] == {"train": 88, "val": 32, "test": 40}
        chosen = {"epochs": 2, "batch_size": 16, "lr": 0.01, "hidden": 8, "val": 0.2}
        chosen |= {"test": 0.25, "seed": 5, "threads": 1}
        assert found["training"] | chosen == found["training"]

    def test_rows_without_a_target_are_left_out_and_told(self, capfd):
        frame = with_target("price")
        frame.loc[[1, 5, 9], "price"] = None
        frame.to_csv("houses.csv", index=False)
        arguments = ["--target", "price", "--epochs", "1", "--drop-missing-target"]
        assert run(["fit", "houses.csv", *arguments]) == 0
        out, err = capfd.readouterr()
        assert "note: 3 rows without a target left out" in err
        assert "houses.csv: 157 rows" in out

    def test_numbers_go_on(self):
        with_target("price").to_csv("houses.csv", index=False)
        arguments = ["fit", "houses.csv", "--target", "price", "--epochs", "1"]
        for _ in range(2):
            assert run(arguments) == 0
        names = sorted(path.name for path in Path("runs").iterdir())
        assert names == ["001-houses", "002-houses"]

    def test_the_same_call_gives_the_same_weights(self):
        with_target("town").to_csv("houses.csv", index=False)
        for name in ("a", "b"):
            arguments = ["--target", "town", "--epochs", "2", "--run", name]
            assert run(["fit", "houses.csv", *arguments]) == 0
        weights = [Path(n, "model", "model.safetensors").read_bytes() for n in "ab"]
        assert weights[0] == weights[1]

    @pytest.mark.parametrize(
        ("arguments", "code", "message"),
        [
            (["--drop", "price"], 2, "--drop price and --target price"),
            (["--drop", "area", "--keep", "area"], 2, "--drop area and --keep area"),
            (["--run", "taken"], 1, "taken exists already"),
            (["--run", "houses.csv/a"], 1, "houses.csv/a cannot be made"),
            (["--task", "ranking"], 2, "'ranking' is not one of"),
            (["--task", "binary"], 1, "has 160 classes in 160 rows"),
            (["--seed", "-1"], 2, "seed must be at least 0"),
            (["--lr", "nan"], 2, "lr must be positive and finite, got nan"),
        ],
    )
    def test_what_cannot_be_is_refused_before_training(
        self, arguments, code, message, capfd
    ):
        Path("taken").mkdir()
        Path("taken", "mine").write_text("x")
        with_target("price").to_csv("houses.csv", index=False)
        assert run(["fit", "houses.csv", "--target", "price", *arguments]) == code
        out, err = capfd.readouterr()
        assert message in " ".join(err.split())
        assert "epoch" not in err and "model:" not in out
        assert {path.name for path in Path().iterdir()} == {"houses.csv", "taken"}


NETWORKS = """
from torch import nn
from layers import Double

def make(num_features, num_outputs):
    first, last = nn.Linear(num_features, 4), nn.Linear(4, num_outputs)
    return nn.Sequential(first, Double(), last)

def of_one(num_features):
    return nn.Linear(num_features, 1)

def three(num_features, num_outputs):
    return nn.Linear(num_features, 3)

width = 3
"""
LAYERS = """
from torch import nn
class Double(nn.Module):
    def forward(self, x): return 2 * x
"""


class TestOwnModel:
    @pytest.fixture(autouse=True)
    def _files(self):
        Path("own").mkdir()
        # A name that the standard library has, too.
        Path("own", "random.py").write_text(NETWORKS)
        Path("own", "layers.py").write_text(LAYERS)
        with_target("price").to_csv("houses.csv", index=False)

    fit = ("fit", "houses.csv", "--target", "price", "--epochs", "2")

    def test_it_is_trained_and_named_again_to_predict(self, capfd):
        import random

        assert run([*self.fit, "--model", "own/random.py:make"]) == 0
        assert "model: Sequential, " in capfd.readouterr().out
        assert random.Random(0).random() > 0  # the real one is still there
        predict = ["predict", "houses.csv", "-o", "out.parquet"]
        assert run(predict) == 2
        err = capfd.readouterr().err
        assert "Give the factory that made it: --model FILE.py:FACTORY" in err
        assert not Path("out.parquet").exists()
        assert run([*predict, "--model", "own/random.py:make"]) == 0
        assert pq.read_table("out.parquet").num_rows == 160
        assert run(["evaluate", "houses.csv", "--model", "own/random.py:make"]) == 0
        assert run([*predict, "--model", "own/random.py:three"]) == 2
        for path in Path("runs").rglob("*"):
            if path.suffix == ".json":
                assert "random.py" not in path.read_text(encoding="utf-8")

    @pytest.mark.parametrize(
        ("spec", "message"),
        [
            ("own/random.py", "has no factory"),
            (":make", "has no factory"),
            ("own/random.py:", "has no factory"),
            ("own/gone.py:make", "there is no file own/gone.py"),
            ("own/random.py:mak", "defines no function 'mak'. Did you mean 'make'?"),
            ("no.such.module:make", "there is no module 'no'"),
            ("own/random.py:of_one", "failed: TypeError"),
            ("own/random.py:three", "makes shape (2, 3) of 2 rows"),
            ("own/random.py:width", "defines no function 'width'"),
        ],
    )
    def test_what_is_no_factory_is_refused(self, spec, message, capfd):
        assert run([*self.fit, "--model", spec]) == 2
        err = capfd.readouterr().err
        assert message in " ".join(err.split())
        assert "not foreseen" not in err and len(err.splitlines()) <= 4
        assert not Path("runs").exists()

    @pytest.mark.parametrize(
        ("code", "message"),
        [
            ("import not_there", "there is no module 'not_there', which is needed"),
            ("1 / 0", "the file own/bad.py fails: ZeroDivisionError"),
            ("def", "the file own/bad.py fails: SyntaxError"),
        ],
    )
    def test_a_file_that_fails_is_told(self, code, message, capfd):
        Path("own", "bad.py").write_text(code)
        assert run([*self.fit, "--model", "own/bad.py:make"]) == 2
        assert message in " ".join(capfd.readouterr().err.split())

    def test_a_module_of_this_folder_is_found(self):
        Path("nets_of_mine.py").write_text(
            NETWORKS.replace("from layers", "from own.layers")
        )
        assert run([*self.fit, "--model", "nets_of_mine:make"]) == 0


def test_columns_with_marks_of_rich_are_printed_as_they_are(capfd):
    frame = houses()[["area", "price"]].rename(columns={"area": "[red]area[/red]"})
    frame.to_csv("houses.csv", index=False)
    assert run(["inspect", "houses.csv"]) == 0
    assert "[red]area[/red]" in capfd.readouterr().out
