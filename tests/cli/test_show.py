import json
import re
import shutil

import pytest

from gradatim.cli import show as show_module
from gradatim.cli.main import run


def test_it_tells_data_history_and_scores(trained, capfd):
    folder = trained("town")
    capfd.readouterr()
    assert run(["show", "--run", str(folder / "run")]) == 0
    out = capfd.readouterr().out
    assert "houses.csv, made 20" in out
    assert "target: town (classification)" in out
    assert "rows: 112 to train, 24 to validate, 24 to test" in out
    for name in ("area", "rooms", "kind", "built", "garden", "town"):
        assert name in out
    assert "val_loss" in out
    assert "stopped: epochs" in out
    assert "scores on 24 test rows" in out


def test_json_has_all_of_it(trained, capfd):
    folder = trained("town") / "run"
    capfd.readouterr()
    assert run(["show", "--run", str(folder), "--json"]) == 0
    told = json.loads(capfd.readouterr().out)
    assert set(told) == {
        "run",
        "config",
        "checkpoint",
        "scores",
        "history",
        "environment",
    }
    assert told["run"] == str(folder)
    config = json.loads((folder / "config.json").read_text())
    assert told["config"] == {k: v for k, v in config.items() if k != "sha256"}
    assert told["scores"]["scores"]["model"]["accuracy"] > 0
    assert [row["epoch"] for row in told["history"]] == [1, 2]
    assert told["environment"]["python"].startswith("3.")


def test_without_a_run_it_fails(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    assert run(["show"]) == 1
    assert "there is no run under runs/" in capfd.readouterr().err


@pytest.mark.parametrize(
    "name", ["schema.json", "history.jsonl", "model/scores.json", "config.json"]
)
def test_damage_is_one_message(name, trained, tmp_path, capfd):
    copy = shutil.copytree(trained("town") / "run", tmp_path / "copy")
    (copy / name).write_text("{}")
    capfd.readouterr()  # what training the run has told
    assert run(["show", "--run", str(copy)]) == 1
    err = capfd.readouterr().err
    assert re.search(f"{name} (is not what was written|has 2 bytes, not)", err)
    assert "not foreseen" not in err and len(err.splitlines()) <= 4


@pytest.mark.parametrize(
    ("num_epochs", "shown"),
    [
        (0, []),
        (1, [1]),
        (12, [*range(1, 13)]),
        (13, [1, 3, 5, 7, 9, 11, 13]),
        (100, [*range(1, 101, 9)]),
    ],
)
def test_first_last_and_evenly_spaced_epochs_are_shown(num_epochs, shown, capfd):
    rows = [
        {"epoch": n, "train_loss": 1 / n, "val_loss": None}
        for n in range(1, num_epochs + 1)
    ]
    show_module._print_history(rows)
    lines = capfd.readouterr().out.splitlines()
    if not shown:
        assert lines == ["no whole epoch"]
        return
    assert [int(line.split()[0]) for line in lines[1:]] == shown
