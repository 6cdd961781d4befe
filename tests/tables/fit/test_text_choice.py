"""Texts that help are read, and are one column to all that comes after."""

import json
import re

import numpy as np
import pandas as pd
import pytest
import torch

import gradatim as gt
from gradatim.cli.main import run
from gradatim.tables.fit.config import TabularConfig
from gradatim.tables.fit.plan import plan_table
from gradatim.tables.saved.folder import TableRunFolder
from gradatim.tables.table import inspect_table, read_table
from tests.bits import assert_same_bits

ROWS = 400
PRICES = {"oak table": 9.0, "pine chair": 2.0, "steel lamp": 4.0, "glass bowl": 1.0}
LONG = "it came in a big box on a rainy day and we put it together that evening"


def products(rows=ROWS, *, as_text=True, missing=False):
    """Prices that the title tells, and a number that tells nothing."""
    random = np.random.default_rng(0)
    kinds = random.choice(list(PRICES), rows)
    names = [f"{kind} no {i} {LONG if as_text else ''}" for i, kind in enumerate(kinds)]
    frame = pd.DataFrame({"size": random.normal(size=rows), "title": names})
    frame["price"] = [PRICES[kind] + random.normal() * 0.1 for kind in kinds]
    if missing:
        frame.loc[::4, "title"] = None
    return frame


def table_after(frame, **options):
    return plan_table(read_table(frame, target="price", **options)).table


@pytest.mark.parametrize("as_text", [True, False])
def test_a_text_that_helps_is_read_and_both_numbers_are_said(as_text):
    frame = products(as_text=as_text)
    before = read_table(frame, target="price")
    assert [c.name for c in before.schema.features] == ["size"]
    table = table_after(frame)
    column = table.schema.column("title")
    assert (column.kind, column.used) == ("text", True)
    told = r"R2 of a linear model on validation rows (\S+) with it, (\S+) without"
    with_it, without = map(float, re.fullmatch(told, column.reason).groups())
    assert with_it > 0.6 and abs(without) < 0.1
    said = table_after(frame, text=["title"])
    assert torch.equal(said.x["texts"], table.x["texts"])
    assert said.schema.column("title").reason == ""


def test_a_text_that_does_not_help_is_left_out():
    frame = products()
    frame["title"] = frame["title"].sample(frac=1, random_state=1).to_numpy()
    column = table_after(frame).schema.column("title")
    assert not column.used and column.num_ngrams == 0
    assert column.reason.startswith("it is text of ")
    assert "R2 of a linear model on validation rows" in column.reason


@pytest.mark.parametrize("target", ["price", None])
def test_inspect_says_that_it_is_tried(target):
    schema, _ = inspect_table(products(), target=target)
    assert schema.column("title").reason.endswith("; fit uses it where it helps")
    assert schema.column("size").reason == ""


@pytest.mark.parametrize("asked", [{"interval": 0.8}, {"quantiles": [0.1, 0.9]}])
def test_its_answers_have_intervals_and_quantiles(asked, tmp_path):
    frame, quick = products(), {"epochs": 2, "progress": False, "doctor": False}
    fitted = gt.fit(frame, target="price", **asked, **quick)
    assert fitted.schema.column("title").used
    fitted.save(tmp_path / "model")
    predict = "predict_interval" if "interval" in asked else "predict"
    answers = getattr(fitted, predict)(frame[:9])
    assert answers.shape == (9, 2)
    again = getattr(gt.load(tmp_path / "model"), predict)(frame[:9])
    np.testing.assert_array_equal(again, answers)


def test_test_rows_do_not_decide():
    frame = products()
    plan = plan_table(read_table(frame, target="price"))
    frame.loc[plan.test.tolist(), "title"] = "something else of as many words, and more"
    assert table_after(frame).schema.column("title").reason == (
        plan.table.schema.column("title").reason
    )


@pytest.mark.parametrize("target", ["price", "dear"])
def test_a_text_is_read_where_there_is_nothing_else(target):
    frame = products().drop(columns="size")
    frame["dear"] = np.where(frame.pop("price") > 3, "yes", "no")
    if target == "price":
        frame["price"] = products()["price"]
        frame = frame.drop(columns="dear")
    fitted = gt.fit(frame, target=target, epochs=2, progress=False, doctor=False)
    score = {"price": "r2", "dear": "accuracy"}[target]
    assert fitted.scores["linear"][score] > 0.7
    assert fitted.schema.column("title").used


def test_few_rows_do_not_decide():
    assert not table_after(products(150)).schema.column("title").used


def test_rows_of_their_own_have_the_text_too():
    frame = products()
    table = read_table(frame, target="price")
    own = products(60)
    test = read_table(own, schema=table.schema, tried=list(table.texts))
    plan = plan_table(table, TabularConfig(), test=test)
    assert len(plan.table) == ROWS + 60 and plan.table.schema.column("title").used
    fitted = gt.fit(
        frame, target="price", test=own, epochs=1, progress=False, doctor=False
    )
    assert fitted.scores["linear"]["r2"] > 0.9


def test_the_command_keeps_it_and_goes_on(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    frame = products(missing=True)
    frame.to_csv("a.csv", index=False)
    fit = ["fit", "a.csv", "--target", "price", "--epochs", "2", "--no-doctor"]
    assert run([*fit, "--run", "r"]) == 0
    out = capfd.readouterr().out
    assert "taken as text: title (R2 of a linear model" in out
    stored = json.loads((tmp_path / "r/schema.json").read_text())["columns"][1]
    assert stored["num_ngrams"] > 0 and stored["num_missing"] == ROWS / 4
    fitted = gt.fit(frame, target="price", epochs=2, progress=False, doctor=False)
    model = TableRunFolder(tmp_path / "r").load_model()
    assert_same_bits(model.state_dict(), fitted.model.state_dict())
    new = pd.DataFrame({"size": [0.0] * 3, "title": ["oak table", None, LONG * 99]})
    with pytest.warns(gt.errors.GradatimWarning, match="title: 1 long texts are read"):
        answers = gt.load("r").predict(new)
    new.to_csv("new.csv", index=False)
    assert run(["predict", "new.csv", "--run", "r", "-o", "answers.csv"]) == 0
    assert pd.read_csv("answers.csv").to_numpy()[:, -1] == pytest.approx(answers)
    assert run(["resume", "--run", "r", "--epochs", "3"]) == 0
    assert run(["evaluate", "a.csv", "--run", "r"]) == 0
    assert run(["importance", "--run", "r"]) == 0
    assert capfd.readouterr().out.count("title") == 1
