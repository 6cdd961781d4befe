"""Tables that are split by time or by group: who is on which side, what is told."""

from functools import cache

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gradatim.data import split
from gradatim.errors import ConfigError, DataError, SchemaError
from gradatim.tables.fit.config import TabularConfig
from gradatim.tables.fit.plan import plan_table
from gradatim.tables.fit.split_table import split_choices, split_table
from gradatim.tables.schema.row_keys import NO_GROUP
from gradatim.tables.table import read_table


def visits(rows=120, *, seed=0):
    """Some visits of 20 patients, in no order, at times of their own."""
    random = np.random.RandomState(seed)
    patient = random.randint(0, 20, rows)
    return pd.DataFrame(
        {
            "patient": [f"P{number:02}" for number in patient],
            "day": pd.Timestamp("2020-01-01")
            + pd.to_timedelta(random.randint(0, 400, rows), unit="D"),
            "age": 30.5 + patient,
            "ill": np.where(random.rand(rows) < 0.4, "yes", "no"),
            "y": random.normal(0, 1, rows),
        }
    )


@cache
def table_of_visits(seed, target, **split_by):
    """Read once: what is tried on it is the split."""
    return read_table(visits(seed=seed), target=target, **split_by)


def sides(table, config, keys):
    """The keys of the rows to train on, to validate with and to test on."""
    (parts,) = split_table(table, split_choices(table, config))
    assert torch.cat(parts).sort().values.tolist() == list(range(len(table)))
    return [[keys[row] for row in part.tolist()] for part in parts]


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2),
    order=st.integers(0, 99),
    target=st.sampled_from(["y", "ill"]),
    shares=st.sampled_from([(0.15, 0.15), (0.3, 0.1), (0.1, 0.4)]),
)
def test_no_group_is_on_two_sides_and_no_time_before_another(
    seed, order, target, shares
):
    frame = visits(seed=seed)
    config = TabularConfig(val=shares[0], test=shares[1], seed=order)
    table = table_of_visits(seed, target, group="patient")
    parts = sides(table, config, frame["patient"])
    assert sum(len(set(part)) for part in parts) == frame["patient"].nunique()
    table = table_of_visits(seed, target, time="day")
    train, val, test = sides(table, config, frame["day"])
    assert max(train) < min(val) and max(val) < min(test)


@pytest.mark.parametrize(
    "times",
    [
        pd.date_range("2020-01-01", periods=60, freq="h", tz="Europe/Berlin"),
        pd.date_range("1969-12-31 23:59:30", periods=60, freq="s"),
        np.arange(60) + 2**60,  # float32 would not tell them apart
        np.linspace(1e9, 1e9 + 1, 60),
        np.arange(60, dtype=np.uint8),
    ],
)
def test_times_of_every_kind_put_the_rows_in_order(times, tmp_path):
    places = np.random.RandomState(0).permutation(60)
    frame = pd.DataFrame({"t": times}).iloc[places].reset_index(drop=True)
    frame = frame.assign(x=np.random.rand(60), y=np.random.rand(60))
    frame.to_csv(tmp_path / "t.csv", index=False)
    for source in (frame, tmp_path / "t.csv"):
        table = read_table(source, target="y", time="t", drop=["t"])
        train, val, _ = sides(table, TabularConfig(), places)
        assert sorted(train + val) == list(range(51)) and sorted(val)[0] == 42
        again = read_table(source, target="y", schema=table.schema, time="t")
        assert torch.equal(again.time.values, table.time.values)


@pytest.mark.parametrize(
    ("groups", "num_groups"),
    [
        (["a", "b", None, "NA", "c", "d"] * 10, 5),
        ([1, 2, 3, 4, 5, 2**60] * 10, 6),
        ([1.5, 2.5, None, np.nan, 3.5, 4.5] * 10, 5),
        ([True, False, None] * 20, 3),
        ([pd.Timestamp("2020-01-01"), pd.Timestamp("2021-01-01"), pd.NaT] * 20, 3),
    ],
)
def test_groups_of_every_kind_stay_together_and_so_do_rows_without_one(
    groups, num_groups
):
    frame = pd.DataFrame({"g": groups, "x": range(0, 600, 10), "y": np.random.rand(60)})
    table = read_table(frame, target="y", group="g", keep=["x"])
    assert len(table.group.values.unique()) == num_groups
    absent = torch.tensor((frame["g"].isna() | (frame["g"] == "NA")).tolist())
    assert torch.equal(table.group.values == NO_GROUP, absent)
    again = read_table(frame, schema=table.schema, group="g")
    assert torch.equal(again.group.values, table.group.values)


def test_a_column_of_groups_is_a_feature_only_if_it_is_kept():
    table = read_table(visits(), target="y", group="patient")
    column = table.schema.column("patient")
    assert not column.used and "rows are split by it" in column.reason
    read_table(visits().drop(columns="patient"), schema=table.schema)
    kept = read_table(visits(), target="y", group="patient", keep=["patient"])
    assert kept.schema.column("patient").used


def test_the_columns_of_a_split_may_be_dropped_as_features():
    table = read_table(visits(), target="y", time="day", drop=["day"])
    assert table.schema.column("day").reason == "dropped by name"
    assert plan_table(table).config.time == "day"


def test_rows_without_a_target_leave_no_key_behind():
    frame = visits()
    frame.loc[::3, "y"] = np.nan
    table = read_table(frame, target="y", group="patient", drop_missing_target=True)
    assert len(table.group.values) == len(table) == 80
    again = read_table(frame, schema=table.schema, time="day", drop_missing_target=True)
    assert len(again.time.values) == 80


def test_parts_of_a_table_have_their_keys():
    table = read_table(visits(), target="y", group="patient")
    first, _ = split(table, fractions=(0.5, 0.5))
    assert len(first.group.values) == len(first)
    assert plan_table(first).config.group == "patient"


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"time": "ill"}, DataError, "'ill' holds 2 values.*neither dates nor numb"),
        ({"time": "gap"}, DataError, r"no time in 2 of 120 rows \(rows 2, 5, counted"),
        ({"time": "y"}, ConfigError, "split by 'y', which is the target"),
        ({"group": "pateint"}, DataError, "no column 'pateint'.*'patient'"),
    ],
)
def test_what_rows_cannot_be_split_by_is_refused(options, error, message):
    frame = visits().assign(gap=np.arange(120.0))
    frame.loc[[1, 4], "gap"] = [np.inf, np.nan]
    with pytest.raises(error, match=f"(?s){message}"):
        read_table(frame, target="y", **options)


def test_choices_and_table_must_agree():
    with pytest.raises(ConfigError, match=r"time is 'day'.* read with time=None"):
        plan_table(read_table(visits(), target="y"), TabularConfig(time="day"))
    table = read_table(visits(), target="y", group="patient")
    with pytest.raises(ConfigError, match=r"group is 'age'.* group='patient'"):
        plan_table(table, TabularConfig(group="age"))
    with pytest.raises(ConfigError, match="time and group are both given"):
        TabularConfig(time="day", group="patient")
    with pytest.raises(ConfigError, match="time and group are both given"):
        plan_table(read_table(visits(), target="y", group="patient", time="day"))
    with pytest.raises(SchemaError, match="no column 'patient'"):
        read_table(
            visits().drop(columns="patient"), schema=table.schema, group="patient"
        )


def test_too_few_groups_and_classes_of_late_rows_are_told_with_the_column():
    frame = visits().assign(half=lambda f: f["age"] > 40)
    with pytest.raises(DataError, match="120 rows in 2 groups of 'half' are too few"):
        plan_table(read_table(frame, target="y", group="half"))
    frame.loc[frame["day"] >= "2021-01-10", "ill"] = "unknown"
    with pytest.raises(DataError, match=r"class unknown, as .* latest by 'day'"):
        plan_table(read_table(frame, target="ill", time="day"))


def test_choices_without_a_split_are_stored_as_they_were():
    """So that a run of an earlier version finds no other choices in its checkpoint."""
    assert not {"time", "group"} & set(TabularConfig().to_dict())
    config = TabularConfig(group="patient")
    assert TabularConfig.from_dict(config.to_dict()) == config


def test_a_schema_of_integers_has_keys_that_are_exact():
    source = pa.table({"t": [2**62 + k for k in range(40)], "y": list(range(40))})
    table = read_table(source, target="y", task="regression", time="t", keep=["t"])
    assert table.time.values.tolist() == [2**62 + k for k in range(40)]
