"""Runs that an earlier version wrote are loaded, gone on with, and answer as they did.

The files lie in ``written_before/`` and are never written again; ``make.py`` there says
how they were. Where a resume says that it is exact, this machine is as the one that
wrote them, and the end has the bits of a training that was never stopped. Elsewhere
sums may be rounded otherwise.
"""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import gradatim as gt
from gradatim.errors import GradatimWarning
from tests.bits import assert_same_bits
from tests.cli.process import ended
from tests.written_before.make import FIT, TRAININGS, make_model

# Annotations that are checked draw from Python's generator.
pytestmark = pytest.mark.usefixtures("unchecked")

TIMES = ("epoch_time_s", "samples_per_s")


@pytest.fixture
def written(tmp_path):
    copy = tmp_path / "written_before"
    shutil.copytree(Path(__file__).parent / "written_before", copy)
    return copy


def without_times(history):
    return {name: values for name, values in history.items() if name not in TIMES}


def assert_same_end(ours, theirs, told):
    """Compare weights and histories: to the bit, where that is what was told."""
    if "resume is exact" in told:
        assert_same_bits(ours, theirs)
    else:
        assert "resume is not exact: " in told
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6)


def called(*arguments, cwd):
    status, out, err = ended(*arguments, cwd=cwd)
    assert status == 0, err
    return out, err


@pytest.mark.parametrize("name", TRAININGS)
def test_a_training_goes_on(name, written, tmp_path, capsys):
    training, _ = TRAININGS[name]
    model, history = training(written / name)
    told = capsys.readouterr().err
    assert "going on from step 5 (epoch 1, batch 2): resume is " in told
    whole_model, whole_history = training(tmp_path / "whole")
    ends = [
        (each.state_dict(), without_times(rows))
        for each, rows in [(model, history), (whole_model, whole_history)]
    ]
    assert_same_end(*ends, told)
    assert history["epoch"] == whole_history["epoch"]
    assert len(history["epoch"]) == (4 if name == "trainer" else 12)
    loaded = gt.load(written / name, model=make_model())
    assert_same_bits(loaded.state_dict(), model.state_dict())


def test_a_table_goes_on(written):
    table = written / "table"
    _, told = called("resume", "--run", "stopped", cwd=table)
    assert "going on from step 6 (epoch 1, batch 3): resume is " in told
    called(*FIT, "--run", "whole", cwd=table)
    stopped, whole = (gt.load(table / run) for run in ("stopped", "whole"))
    assert len((table / "stopped" / "history.jsonl").read_text().splitlines()) == 3
    with pytest.warns(GradatimWarning, match="unseen"):
        answers = stopped.predict(table / "new.csv")
        expected = whole.predict(table / "new.csv")
    assert np.isfinite(answers).all()
    if "resume is exact" in told:  # else dropout may have drawn otherwise
        assert_same_bits(stopped.model.state_dict(), whole.model.state_dict())
        assert_same_bits(stopped.scores, whole.scores)
        assert_same_bits(answers, expected)


def test_a_finished_table_answers_as_it_did(written):
    table = written / "table"
    expected = answers_in(table / "predictions.csv")
    assert len(expected) == 5
    called("predict", "new.csv", "--run", "finished", "-o", "again.csv", cwd=table)
    assert answers_in(table / "again.csv") == pytest.approx(expected, rel=1e-6)
    shutil.move(table / "finished" / "model", written / "alone")  # it needs no other
    with pytest.warns(GradatimWarning, match="unseen"):
        answers = gt.load(written / "alone").predict(table / "new.csv")
    assert answers.tolist() == pytest.approx(expected, rel=1e-6)


def test_a_finished_table_is_shown_and_trains_on(written):
    table = written / "table"
    out, _ = called("show", "--run", "finished", cwd=table)
    assert "stopped: epochs" in out and "scores on 10 test rows" in out
    out, _ = called("resume", "--run", "finished", cwd=table)
    assert "finished has ended after 3 epochs (epochs): nothing is left to do." in out
    _, told = called("resume", "--run", "finished", "--epochs", "4", cwd=table)
    assert "going on from step 9 (epoch 3, batch 0): resume is " in told
    assert len((table / "finished" / "history.jsonl").read_text().splitlines()) == 4


def answers_in(path):
    with open(path, newline="") as file:
        return [float(row["prediction"]) for row in csv.DictReader(file)]


def test_ends_that_differ_are_seen():
    ours, theirs = {"weight": torch.zeros(2)}, {"weight": torch.full((2,), 1e-7)}
    assert_same_end(ours, theirs, "resume is not exact: threads 1 -> 2")
    with pytest.raises(AssertionError):
        assert_same_end(ours, theirs, "resume is exact")
    with pytest.raises(AssertionError):
        assert_same_end(ours, {"weight": torch.ones(2)}, "resume is not exact: torch")
