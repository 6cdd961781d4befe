"""A table's run that was stopped goes on, with the bits of one that was not."""

import itertools
import json
import re
import shutil
import signal
from pathlib import Path

import pytest
import torch
from torch import nn

import gradatim as gt
from gradatim.cli.main import run
from gradatim.store.manifest import sealed
from gradatim.tables.fit.time_limit import TimeLimit
from gradatim.tables.saved import table_run
from gradatim.tables.saved.folder import TableRunFolder
from tests.cli.process import ended
from tests.houses import with_target

FIT = ["fit", "houses.csv", "--target", "price", "--epochs", "6", "--seed", "3"]
BITS = ["model.safetensors", "model.json", "schema.json", "scores.json"]

# Kills the command after so many updates, right after a checkpoint or long after.
KILL = """
import os, signal
from gradatim.run.run import Run
after = Run.on_step_end
def on_step_end(self, trainer, loss):
    after(self, trainer, loss)
    if trainer.num_steps == {step}:
        os.kill(os.getpid(), signal.{signal})
        after(self, trainer, loss)
Run.on_step_end = on_step_end
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A data file, and the run that was never stopped."""
    folder = tmp_path_factory.mktemp("resume")
    with_target("price").to_csv(folder / "houses.csv", index=False)
    code, _, err = ended(*FIT, "--run", "whole", cwd=folder)
    assert code == 0, err
    return folder


@pytest.fixture
def here(folder, tmp_path, monkeypatch):
    shutil.copytree(folder, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def stopped(step, name="SIGKILL", every="0s", path="a", cwd="."):
    before = KILL.format(step=step, signal=name)
    arguments = [*FIT, "--run", path, "--checkpoint-every", every]
    code, _, err = ended(*arguments, cwd=cwd, before=before)
    return code, err


def resumed(*arguments, cwd="."):
    return ended("resume", *arguments, cwd=cwd)


def assert_same_run(path, other):
    for name in BITS:
        assert Path(path, "model", name).read_bytes() == (
            Path(other, "model", name).read_bytes()
        ), name
    ours, theirs = (TableRunFolder(Path(p)).history.to_dicts() for p in (path, other))
    for rows in (ours, theirs):
        for row in rows:
            del row["epoch_time_s"], row["samples_per_s"]
    assert ours == theirs


@pytest.mark.parametrize(("step", "every"), [(1, "0s"), (7, "0s"), (12, "never")])
def test_after_a_kill_it_ends_as_if_nothing_had_been(step, every, here):
    code, err = stopped(step, every=every)
    assert code == -signal.SIGKILL, err
    code, out, err = resumed("--run", "a")
    assert code == 0, err
    where = step if every == "0s" else 0
    assert f"going on from step {where} " in err
    assert "resume is exact" in err and "not exact" not in err
    assert "scores on 24 test rows" in out
    assert_same_run("a", "whole")


def test_after_sigterm_it_goes_on(here):
    code, err = stopped(6, "SIGTERM", every="never")
    assert code == 143, err
    assert "go on with: gradatim resume --run a" in err
    code, _, err = resumed("--run", "a")
    assert code == 0 and "resume is exact" in err
    assert_same_run("a", "whole")


def test_after_ctrl_c_there_is_a_model_and_it_goes_on(here, capfd):
    code, err = stopped(6, "SIGINT", every="never")
    assert code == 130, err
    assert run(["predict", "houses.csv", "--run", "a", "-o", "answers.csv"]) == 0
    assert run(["show", "--run", "a"]) == 0
    out = capfd.readouterr().out
    assert "stopped: interrupted" in out and "to go on: gradatim resume" in out
    code, _, err = resumed("--run", "a")
    assert code == 0 and "resume is exact" in err
    assert_same_run("a", "whole")


def test_after_its_time_limit_there_are_scores_and_it_goes_on(here, capfd, monkeypatch):
    def limit(seconds, began):
        return TimeLimit(seconds, clock=itertools.count().__next__)  # each look: 1 s

    monkeypatch.setattr(table_run, "TimeLimit", limit)
    assert run([*FIT, "--run", "a", "--time-limit", "20s"]) == 0
    out, err = capfd.readouterr()
    assert "scores on 24 test rows" in out
    assert "stopped by the time limit of 20 s, with the best epoch so far; go on" in err
    assert run(["show", "--run", "a"]) == 0
    assert "stopped: time limit" in capfd.readouterr().out
    assert TableRunFolder(Path("a")).config["training"]["time_limit"] == 20
    first = TableRunFolder(Path("a")).checkpoint
    assert run(["resume", "--run", "a", "--time-limit", "20s"]) == 0
    second = TableRunFolder(Path("a")).checkpoint
    assert first.step < second.step and second.ended is None
    capfd.readouterr()
    assert run(["resume", "--run", "a"]) == 0
    assert "resume is exact" in capfd.readouterr().err
    assert_same_run("a", "whole")


def test_the_newest_that_was_stopped_is_taken(here):
    stopped(3, path="runs/001-a")
    shutil.copytree("whole", "runs/002-b")
    code, _, err = resumed()
    assert code == 0 and "run: runs/001-a" in err
    assert_same_run("runs/001-a", "whole")


def test_a_run_and_its_data_may_move_together_or_the_data_be_named(here, capfd):
    stopped(3)
    shutil.move(here, here.with_name("th ère"))
    moved = here.with_name("th ère")
    shutil.move(moved / "houses.csv", moved / "moved.csv")
    code, _, err = resumed("--run", "a", cwd=moved)
    assert code == 1 and "Say where they are: --data FILE" in err
    code, _, err = resumed("--run", "a", "--data", "moved.csv", cwd=moved)
    assert code == 0 and "resume is exact" in err
    assert_same_run(moved / "a", moved / "whole")


def test_a_run_has_a_model_when_it_has_ended(here, capfd):
    stopped(3)
    assert run(["predict", "houses.csv", "--run", "a"]) == 1
    err = capfd.readouterr().err
    assert re.search(r"a has no model yet: .* stopped at epoch 0", err)
    assert "gradatim resume --run a" in err
    assert run(["show", "--run", "a"]) == 0
    out = capfd.readouterr().out
    assert "not ended" in out and "step 3 (epoch 0, batch 3)" in out


@pytest.mark.parametrize("row", [0, 70, 159])
def test_changed_data_are_refused_and_may_be_accepted(row, here, capfd):
    """Also where only a test row changed."""
    stopped(3)
    frame = with_target("price")
    frame.loc[row, "price"] += 1
    frame.to_csv("houses.csv", index=False)
    code, _, err = resumed("--run", "a")
    assert code == 1
    assert "a: the data changed since the run began:" in err
    assert re.search(r"table.sha256: [0-9a-f]{12}\.\.\. -> [0-9a-f]{12}\.\.\.", err)
    assert "--accept data" in err and "Traceback" not in err
    code, _, err = resumed("--run", "a", "--accept", "data")
    assert code == 0 and "resume is not exact" in err


def test_an_ended_run_says_so(here, capfd):
    before = {p: p.stat().st_mtime_ns for p in Path("whole/model").iterdir()}
    assert run(["resume", "--run", "whole"]) == 0
    out = capfd.readouterr().out
    assert "whole has ended after 6 epochs (epochs): nothing is left to do." in out
    assert before == {p: p.stat().st_mtime_ns for p in Path("whole/model").iterdir()}


def test_more_epochs_go_on(here):
    code, _, err = resumed("--run", "whole", "--epochs", "8")
    assert code == 0 and "going on from step 24 (epoch 6, batch 0)" in err
    assert TableRunFolder(Path("whole")).history["epoch"] == [*range(1, 9)]
    # They are remembered: a kill on the way needs no second --epochs.
    code, out, _ = resumed("--run", "whole")
    assert code == 0 and "has ended after 8 epochs" in out


def test_another_number_of_threads_is_told(here):
    stopped(3)
    path = Path("a/config.json")
    config = json.loads(path.read_text())
    del config["sha256"]
    config["training"]["threads"] = 2
    path.write_bytes(sealed(config))
    code, _, err = resumed("--run", "a")
    assert code == 0
    assert "resume is not exact: threads 1 -> 2" in err


def test_a_damaged_checkpoint_is_named_and_the_one_before_taken(here):
    stopped(5)
    Path("a/checkpoints/step-5/state.json").write_text("{}")
    code, _, err = resumed("--run", "a")
    assert code == 0, err
    assert "checkpoints/step-5/state.json has 2 bytes" in err
    assert "going on from step 4 " in err
    assert_same_run("a", "whole")


def test_a_network_of_ones_own_is_named_again(here, capfd):
    Path("net.py").write_text(
        "from torch import nn\n"
        "def make(n, m):\n"
        "    return nn.Sequential(nn.Linear(n, 8), nn.Dropout(0.2), nn.Linear(8, m))\n"
    )
    fit = [*FIT, "--model", "net.py:make", "--checkpoint-every", "0s"]
    for path, before in (("b", ""), ("c", KILL.format(step=5, signal="SIGKILL"))):
        ended(*fit, "--run", path, cwd=".", before=before)
    assert run(["resume", "--run", "c"]) == 2
    assert "Give the factory that made it: --model" in capfd.readouterr().err
    code, _, err = resumed("--run", "c", "--model", "net.py:make")
    assert code == 0, err
    assert_same_run("c", "b")


def test_the_tutorials_line_goes_on_too(here):
    for path, before in (("b", ""), ("c", KILL.format(step=77, signal="SIGKILL"))):
        arguments = ["fit", "--epochs", "100", "--run", path]
        arguments += ["--checkpoint-every", "0s"]
        ended(*arguments, cwd=".", before=before)
    code, _, err = resumed("--run", "c")
    assert code == 0 and "resume is exact" in err
    assert_same_run("c", "b")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--run", "nowhere"], 1, "is not there"),
        (["--checkpoint-every", "soon"], 2, "'soon' is no time such as 30s"),
        (["--accept", "model"], 2, "'model' is not one of"),
        (["--epochs", "0"], 2, "--epochs"),
    ],
)
def test_what_has_no_meaning_is_refused(arguments, code, message, here, capfd):
    assert run(["resume", *arguments]) == code
    assert message in " ".join(capfd.readouterr().err.split())


def test_a_run_of_python_is_told_apart(here, capfd):
    model = nn.Linear(1, 1)
    mine = gt.Run("mine")
    mine.track(model=model)
    for _ in mine.batches((torch.zeros(4, 1),), batch_size=2, epochs=1):
        pass
    for command in (["resume"], ["predict", "houses.csv"]):
        assert run([*command, "--run", "mine"]) == 1
        assert "a loop in Python" in capfd.readouterr().err
    assert run(["show", "--run", "mine"]) == 0
    assert "mine: a loop in Python" in capfd.readouterr().out
