"""``gradatim trace``: of a run, and of the tutorial's line."""

import hashlib
import json
import re
import shutil

import pytest
import torch

from gradatim.cli.main import run
from gradatim.cli.trace import _first_step, _print, fitted
from gradatim.tables.saved.folder import TableRunFolder


def digests(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_without_a_run_it_is_the_tutorials_first_step(elsewhere, capfd):
    before = torch.get_rng_state()
    assert run(["trace"]) == 0
    out, err = capfd.readouterr()
    assert err == "no run under runs/: the first step on the tutorial's line\n"
    lines = out.splitlines()
    assert lines[0] == "One step of ManualLine: MSELoss, SGD(lr=0.1)"
    assert "dMSE/da = -2 * mean(error) = -2 * 1.5355 = -3.0710" in lines
    assert "dMSE/db = -2 * mean(x * error) = -2 * 0.8921 = -1.7841" in lines
    assert "a: 0.3367 - 0.1 * -3.0710 = 0.6438" in lines
    assert "b: 0.1288 - 0.1 * -1.7841 = 0.3072" in lines
    assert max(map(len, lines)) <= 80
    assert torch.equal(before, torch.get_rng_state())
    assert list(elsewhere.iterdir()) == []


def test_of_the_newest_run_of_the_line(elsewhere, capfd):
    assert run(["fit", "--epochs", "2"]) == 0
    before = digests(elsewhere)
    capfd.readouterr()
    assert run(["trace", "--rows", "2:6", "--json"]) == 0
    out, err = capfd.readouterr()
    assert "run: runs/001-line (the newest)" in err
    told = json.loads(out)
    assert told["inputs"][0]["stats"]["shape"] == [4, 1]
    # The trained weights, not those of the start.
    model = TableRunFolder(elsewhere / "runs" / "001-line").load_model()
    weight, bias = (p.item() for p in model.network.parameters())
    found = {each["name"]: each for each in told["arithmetic"]["derivatives"]}
    assert found["network.weight"]["before"] == weight
    assert found["network.bias"]["before"] == bias
    assert found["network.bias"]["factor"] == ""
    assert found["network.weight"]["factor"] == "x['numbers']"
    assert digests(elsewhere) == before


LOSSES = {
    "price": "MSELoss",
    "dear": "BCEWithLogitsLoss",
    "town": "CrossEntropyLoss",
}


@pytest.mark.parametrize("target", LOSSES)
def test_of_a_tables_run(target, trained, capfd):
    folder = trained(target)
    before = digests(folder)
    capfd.readouterr()
    assert run(["trace", "--run", str(folder / "run"), "--rows", "0:400"]) == 0
    out, err = capfd.readouterr()
    assert f"One step of TableModel: {LOSSES[target]}, AdamW(lr=0.001)" in out
    assert "network.blocks.0.layers.1" in out and "x['numbers']" in out
    assert "The worst of 112 rows:" in out  # all there are
    assert "AdamW begins anew" in err
    assert digests(folder) == before


def test_its_loss_is_that_of_the_trained_model(trained, capfd):
    folder = trained("price") / "run"
    capfd.readouterr()
    losses = []
    for _ in range(2):
        assert run(["trace", "--run", str(folder), "--rows", "0:112", "--json"]) == 0
        losses.append(json.loads(capfd.readouterr().out)["loss"])
    assert losses[0] == losses[1]  # the same dropout
    last = TableRunFolder(folder).history["train_loss"][-1]
    assert losses[0] == pytest.approx(last, rel=0.5)


def test_a_page_is_written(elsewhere, capfd):
    assert run(["trace", "-o", "step.html"]) == 0
    assert capfd.readouterr().out == "page: step.html\n"
    page = (elsewhere / "step.html").read_text()
    assert page.startswith("<!doctype html>") and "dMSE/da" in page


def test_a_page_that_cannot_be_written_is_one_message(elsewhere, capfd):
    assert run(["trace", "-o", "nowhere/step.html"]) == 1
    assert (
        "gradatim: nowhere/step.html cannot be written, No such file"
        in capfd.readouterr().err
    )


@pytest.mark.parametrize("rows", ["3", "4:4", "5:2", "-1:3", "a:b", "1:2:3", ":4", ""])
def test_rows_that_are_none_are_told(rows, elsewhere, capfd):
    assert run(["trace", f"--rows={rows}"]) == 2
    assert f"{rows!r} are no rows such as 0:16" in capfd.readouterr().err


def test_rows_beyond_the_end_are_told(elsewhere, capfd):
    assert run(["trace", "--rows", "80:90"]) == 2
    err = capfd.readouterr().err
    assert "--rows 80:90, but there are 80 training rows." in err
    assert "Begin below 80." in err


def test_a_network_of_ones_own(tmp_path, trained, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    shutil.copy(trained("price") / "houses.csv", tmp_path)
    (tmp_path / "own.py").write_text(
        "from torch import nn\n"
        "def make(num_features, num_outputs):\n"
        "    return nn.Linear(num_features, num_outputs)\n"
    )
    arguments = ["houses.csv", "--target", "price", "--epochs", "1"]
    assert run(["fit", *arguments, "--model", "own.py:make"]) == 0
    capfd.readouterr()
    assert run(["trace", "--rows", "0:4"]) == 2
    assert "--model FILE.py:FACTORY" in capfd.readouterr().err
    assert run(["trace", "--rows", "0:4", "--model", "own.py:make"]) == 0
    assert re.search(r"network +Linear +\(4, 1\)", capfd.readouterr().out)


def test_data_that_moved_or_changed(tmp_path, trained, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    folder = shutil.copytree(trained("price") / "run", tmp_path / "copy")
    rows = (trained("price") / "houses.csv").read_text().splitlines()
    capfd.readouterr()
    assert run(["trace", "--run", str(folder)]) == 1
    assert "--data FILE" in capfd.readouterr().err
    (tmp_path / "fewer.csv").write_text("\n".join(rows[:101]))
    assert run(["trace", "--run", str(folder), "--data", "fewer.csv"]) == 0
    err = capfd.readouterr().err
    assert "the data give 70 training rows, not the 112 of the run" in err


def test_a_run_without_a_model_says_what_to_do(elsewhere, trained, capfd):
    folder = shutil.copytree(trained("price") / "run", elsewhere / "copy")
    shutil.copy(trained("price") / "houses.csv", elsewhere)
    shutil.rmtree(folder / "model")
    capfd.readouterr()
    assert run(["trace", "--run", str(folder)]) == 1
    assert "gradatim resume" in capfd.readouterr().err


def test_on_a_terminal_it_has_the_same_lines(monkeypatch, capfd):
    monkeypatch.setenv("COLUMNS", "80")
    found = _first_step((0, 16))
    _print(found)
    words = [line.split() for line in capfd.readouterr().out.splitlines()]
    wanted = [line.split() for line in found.text().splitlines() if set(line) != {"="}]
    assert words == wanted


def test_names_are_shortened_from_the_left_where_a_table_is_too_wide():
    rows = [["network.blocks.0.layers.1", "Linear"], ["head", "Linear"]]
    assert fitted(["module", "class"], rows, 80) == rows
    assert fitted(["module", "class"], rows, 30) == [
        ["…ork.blocks.0.layers.1", "Linear"],
        ["head", "Linear"],
    ]
