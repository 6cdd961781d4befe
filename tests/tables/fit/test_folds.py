"""Folds, a last training on all rows, and rows to test on that come by themselves."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gradatim.errors import ConfigError, DataError
from gradatim.interrupt import INTERRUPTED
from gradatim.tables.features import TableEncoder
from gradatim.tables.fit.config import TabularConfig
from gradatim.tables.fit.fit import fit_table, predict_rows
from gradatim.tables.fit.plan import plan_table
from gradatim.tables.fit.split_table import split_choices, split_table
from gradatim.tables.model.scores import score
from gradatim.tables.table import read_table
from tests.bits import assert_same_bits
from tests.houses import TARGETS, with_target
from tests.tables.fit.test_split_table import table_of_visits, visits


def fitted(table, *, val=None, test=None, **choices):
    config = TabularConfig(**{"epochs": 2, **choices})
    return fit_table(plan_table(table, config, val=val, test=test), progress=False)


@settings(max_examples=30, deadline=None)
@given(
    num_folds=st.integers(2, 6),
    by=st.sampled_from(["random", "group", "time"]),
    target=st.sampled_from(["y", "ill"]),
    seed=st.integers(0, 1),
)
def test_each_row_is_tested_on_once_and_seen_by_no_model_before(
    num_folds, by, target, seed
):
    frame = visits(seed=seed)
    column = {"group": "patient", "time": "day"}.get(by)
    table = table_of_visits(seed, target, **({} if column is None else {by: column}))
    config = split_choices(table, TabularConfig(folds=num_folds, seed=seed))
    folds = split_table(table, config)
    assert len(folds) == num_folds
    tested = torch.cat([rows.test for rows in folds]).tolist()
    assert len(set(tested)) == len(tested)
    if by != "time":
        assert sorted(tested) == list(range(len(table)))
    for rows in folds:
        parts = [part.tolist() for part in rows]
        assert sum(map(len, parts)) == len(set().union(*parts))
        assert min(map(len, parts)) > 0
        if by == "group":
            seen = [set(frame["patient"][part]) for part in parts]
            assert not seen[0] & seen[1] and not (seen[0] | seen[1]) & seen[2]
        if by == "time":
            train, val, test = (frame["day"][part] for part in parts)
            assert train.max() < val.min() and val.max() < test.min()
    if by == "time":  # the first fold has the latest
        assert frame["day"][folds[0].test.tolist()].max() == frame["day"].max()


def test_a_class_too_rare_for_all_folds_is_trained_on_in_each():
    frame = with_target("town")
    frame.loc[[3, 9], "town"] = "Zell"
    table = read_table(frame, target="town")
    for rows in split_table(table, TabularConfig(folds=4)):
        assert {3, 9} <= set(rows.train.tolist())


@pytest.mark.parametrize("target", ["price", "town"])
def test_scores_of_folds_are_the_means_of_each(target):
    table = read_table(with_target(target), target=target)
    found = fitted(table, folds=3)
    assert found.num_tested == len(table) and len(found.tests) == 3
    for test in found.tests:
        by_hand = score(TARGETS[target], test.answers, table.y[test.rows])
        assert test.scores["model"] == by_hand
    for name, value in found.scores["model"].items():
        each = [test.scores["model"][name] for test in found.tests]
        assert value == pytest.approx(np.mean(each))
    answers = predict_rows(found.model, table.select(found.tests[0].rows).x)
    assert torch.equal(answers, found.tests[0].answers)  # the first fold's is kept
    assert found.final_epochs is None


@pytest.mark.parametrize("choices", [{}, {"folds": 2}, {"group": "patient"}])
def test_the_last_training_has_all_rows_and_leaves_the_scores(choices):
    frame = visits()
    table = read_table(frame, target="y", group=choices.get("group"))
    before = fitted(table, epochs=8, patience=2, **choices)
    found = fitted(table, epochs=8, patience=2, final=True, **choices)
    assert found.scores == before.scores
    assert found.plan.folds[0].test.tolist() == before.plan.folds[0].test.tolist()
    of_all = TableEncoder(table.schema).fit(table.x).state_dict()
    numbers = found.model.encoder.state_dict()
    for name in ("parts.numbers.mean", "parts.numbers.std"):
        torch.testing.assert_close(numbers[name], of_all[name])
    assert found.model.target_mean.item() == pytest.approx(frame["y"].mean(), rel=1e-5)
    constant = found.baselines.constant.item()
    assert constant == pytest.approx(frame["y"].mean(), rel=1e-5)
    assert found.final_epochs is not None
    assert_same_bits(
        fitted(table, epochs=8, patience=2, final=True, **choices).model.state_dict(),
        found.model.state_dict(),
    )


def test_the_last_training_lasts_as_long_as_was_best_in_the_mean():
    table = read_table(visits(), target="y")
    lengths = []

    def more(name):
        class Count:
            def on_fit_end(self, trainer):
                lengths.append((name, trainer.epoch))

        return [Count()]

    config = TabularConfig(epochs=12, patience=3, folds=2, final=True, lr=0.01)
    found = fit_table(plan_table(table, config), progress=False, more_callbacks=more)
    assert [name for name, _ in lengths] == ["fold-2", "final"]
    assert lengths[-1] == ("final", found.final_epochs)
    best = [int(np.argmin(found.history["val_loss"])) + 1]
    assert 1 <= found.final_epochs <= 12
    assert found.final_epochs >= best[0] / 2


def test_without_test_rows_nothing_is_scored_and_all_rows_are_trained_on():
    table = read_table(visits(), target="y")
    config = TabularConfig(epochs=2, test=0)
    found = fit_table(plan_table(table, config), progress=False)
    assert found.scores == {} and found.num_tested == 0
    assert found.final_epochs is not None
    mean = table.y.double().mean().item()
    assert found.model.target_mean.item() == pytest.approx(mean)
    assert found.to_dict()["rows"] == 0


def test_rows_of_a_table_of_their_own_are_tested_on():
    frame, new = visits(), visits(40, seed=1)
    table = read_table(frame, target="y")
    test = read_table(new, schema=table.schema)
    found = fitted(table, test=test, final=True)
    plan = found.plan
    assert len(plan.train) + len(plan.val) == 120 and found.num_tested == 40
    answers = predict_rows(plan.model, test.x)
    assert found.scores["model"] == score("regression", answers, test.y)
    assert plan.table.row_numbers[plan.test].tolist() == list(range(40))
    mean = table.y.double().mean().item()  # the last training leaves them out
    assert found.model.target_mean.item() == pytest.approx(mean)
    assert plan.notices == ()
    val = read_table(visits(30, seed=2), schema=table.schema)
    plan = plan_table(table, TabularConfig(), val=val, test=test)
    assert [len(part) for part in plan.folds[0]] == [120, 30, 40]


def test_rows_that_were_trained_on_are_told():
    frame = visits()
    table = read_table(frame, target="y")
    both = pd.concat([frame.head(25), visits(15, seed=1)])
    test = read_table(both, schema=table.schema)
    notice, *_ = plan_table(table, test=test).notices
    assert notice.startswith("25 of 40 rows to be scored on (--test) stand among the")


@pytest.mark.parametrize("column", ["patient", "number"])
def test_a_group_in_two_tables_is_refused(column):
    frame, new = visits(), visits(40, seed=1)
    for each in (frame, new):
        each["number"] = each["patient"].astype("category").cat.codes.astype(int)
    new["patient"] += " of another year"
    new["number"] += 1_000
    table = read_table(frame, target="y", group=column)
    config = TabularConfig(group=column)

    def plan_of(rows, **more):
        own = read_table(rows, schema=table.schema, group=column)
        return plan_table(table, config, test=own, **more)

    plan_of(new)
    two_known = pd.concat([new, frame.head(1), frame.tail(1)])
    with pytest.raises(DataError, match=f"2 of the .* groups of '{column}' of --test"):
        plan_of(two_known)
    val = read_table(new.head(3), schema=table.schema, group=column)
    with pytest.raises(DataError, match="of --test have rows of --val, too"):
        plan_of(new, val=val)


def test_rows_that_are_no_later_are_refused_where_time_splits():
    frame = visits()
    table = read_table(frame, target="y", time="day")

    def plan_of(days, name="test"):
        rows = frame.head(len(days)).assign(day=days)
        own = read_table(rows, schema=table.schema, time="day")
        return plan_table(table, TabularConfig(time="day"), **{name: own})

    last = frame["day"].max()
    one = frame["day"].iloc[1] - frame["day"].iloc[0]
    plan_of([last + abs(one), last + 2 * abs(one)])
    with pytest.raises(DataError, match="1 of 2 rows of --test are no later than"):
        plan_of([last, last + abs(one)])
    # Rows to validate with follow those to train on, and come before those to test on.
    with pytest.raises(DataError, match="2 of 2 rows of --val are no later than"):
        plan_of([frame["day"].min()] * 2, "val")


def test_rows_that_are_equal_by_chance_are_not_told():
    random = np.random.RandomState(0)

    def few_values(rows):
        dice = random.randint(0, 2, (rows, 3))
        frame = pd.DataFrame(dice, columns=["a", "b", "y"])
        return frame.assign(a=frame["a"].map({0: "u", 1: "v"}))

    table = read_table(few_values(200), target="y")
    test = read_table(few_values(50), schema=table.schema)
    assert plan_table(table, test=test).notices == ()


def test_an_interrupted_fold_is_not_scored_if_there_is_another():
    table = read_table(visits(), target="y")

    class Stop:
        def on_step_end(self, trainer, loss):
            trainer.stop(INTERRUPTED)

    config = TabularConfig(epochs=2, folds=3, final=True)
    found = fit_table(
        plan_table(table, config), progress=False, more_callbacks=lambda name: [Stop()]
    )
    assert len(found.tests) == 1 and found.stop_reason == INTERRUPTED
    assert found.final_epochs is None and found.scores["model"]


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"folds": 1}, "folds must be 2 to 100, got 1"),
        ({"folds": 3, "test": 0}, "folds is 3 and test is 0"),
        ({"folds": 2, "val": 0.5}, "val is 0.5 with 2 folds: no row is left"),
    ],
)
def test_choices_that_cannot_be_are_refused(choices, message):
    with pytest.raises(ConfigError, match=message):
        TabularConfig(**choices)


def test_folds_take_no_rows_from_elsewhere_and_need_rows_enough():
    table = read_table(visits(), target="y")
    with pytest.raises(ConfigError, match=r"folds is 3, and rows to .* are given"):
        plan_table(table, TabularConfig(folds=3), test=table)
    few = read_table(visits(8), target="y", keep=["patient", "age", "day", "ill"])
    with pytest.raises(DataError, match="8 rows are too few for 9 folds"):
        plan_table(few, TabularConfig(folds=9))
