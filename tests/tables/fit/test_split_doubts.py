"""Where a split at random flatters: found where rows are alike, and only there."""

import numpy as np
import pandas as pd
import pytest
import torch

from gradatim.tables.fit import split_doubts as module
from gradatim.tables.fit.plan import plan_table
from gradatim.tables.fit.split_doubts import SplitDoubt, split_doubts
from gradatim.tables.table import read_table
from tests.houses import TARGETS, with_target


def patients(*, num=30, visits=8, seed=0, age=True, shuffled=False, target="y"):
    """Visits that are alike for a patient, and unlike for another."""
    random = np.random.RandomState(seed)
    counts = 1 + random.poisson(visits - 1, num) if visits < 4 else [visits] * num
    patient = np.repeat(np.arange(num), counts)
    y = random.normal(0, 2, num)[patient] + random.normal(0, 0.5, len(patient))
    frame = pd.DataFrame({"patient": [f"P{number:03}" for number in patient]})
    frame["dose"] = random.normal(0, 1, len(patient)).round(3)
    if age:
        frame["age"] = random.uniform(20, 80, num).round(2)[patient]
    frame["y"] = {
        "y": y.round(3),
        "two": np.where(y > 0, "ill", "well"),
        "three": np.array(["a", "b", "c"])[np.digitize(y, [-1, 1])],
    }[target]
    return frame.sample(frac=1, random_state=0) if shuffled else frame


def hours(*, rows=300, seed=0, name="ts"):
    """Hours that are like the hour before."""
    random = np.random.RandomState(seed)
    y = np.cumsum(random.normal(0, 1, rows)).round(2)
    times = pd.date_range("2022-01-01", periods=rows, freq="h")
    return pd.DataFrame({name: times, "x": random.normal(0, 1, rows), "y": y})


def of(frame, **options):
    return split_doubts(read_table(frame, target="y", **options))


@pytest.mark.parametrize(
    "frame",
    [
        patients(),
        patients(shuffled=True),
        patients(age=False),
        patients(age=False, shuffled=True),
        patients(num=120, visits=3, age=False, shuffled=True),
        patients(num=600, visits=20, shuffled=True),  # of which some are looked at
        patients(target="two"),
        patients(target="three"),
        patients().assign(
            patient=lambda f: f["patient"].str[1:].astype(int) * 37 % 101
        ),
    ],
)
def test_rows_of_groups_are_told_with_both_scores(frame):
    (doubt,) = of(frame)
    assert (doubt.column, doubt.on) == ("patient", "groups")
    assert doubt.random > doubt.apart + 0.1
    assert "--group patient" in doubt.line()
    assert (
        f"{doubt.random:.2f}" in doubt.line() and f"{doubt.apart:.2f}" in doubt.line()
    )


def test_a_group_that_is_no_feature_is_told_where_another_feature_tells_it():
    (doubt,) = of(patients(), drop=["patient"])
    assert doubt.column == "patient"
    assert of(patients(age=False), drop=["patient"]) == []


@pytest.mark.parametrize(
    "frame", [hours(), hours(seed=3), hours(rows=5000), hours().sample(frac=1)]
)
def test_rows_near_in_time_are_told(frame):
    (doubt,) = of(frame)
    assert doubt.column == "ts" and doubt.on in ("later", "stretches")
    assert doubt.random > doubt.apart + 0.1 and "--time ts" in doubt.line()


@pytest.mark.parametrize(
    "times",
    [
        np.arange(300) * 3600 + 1_640_995_200,
        np.random.RandomState(0).permutation(300) * 60_000 + 1_640_995_200_000,
        np.arange(300) / 7,
    ],
)
def test_numbers_that_rise_steadily_or_count_seconds_are_times(times):
    frame = hours(name="time").assign(time=times)
    if not (np.diff(times) > 0).all():
        frame["y"] = frame["y"].to_numpy()[np.argsort(np.argsort(times))]
    (doubt,) = of(frame)
    assert doubt.column == "time"


def independent(rows, levels, seed, *, effect=1.0):
    random = np.random.RandomState(seed)
    level, age = random.randint(0, levels, rows), random.randint(18, 80, rows)
    x = random.normal(0, 1, (rows, 3))
    y = effect * random.normal(0, 1, levels)[level] + x[:, 0] + 2 * np.sin(age / 8)
    frame = pd.DataFrame(x, columns=["a", "b", "c"]).round(3)
    frame["kind"], frame["age"] = [f"k{value}" for value in level], age
    days = np.sort(random.randint(0, 900, rows))
    frame["when"] = pd.Timestamp("2020-01-01") + pd.to_timedelta(days, unit="D")
    frame["row"] = range(1, rows + 1)
    y = y + random.normal(0, 0.5, rows)
    return frame.assign(y=y.round(3))


@pytest.mark.parametrize("rows", [100, 400])
@pytest.mark.parametrize("levels", [3, 15])
def test_independent_rows_raise_no_doubt(rows, levels):
    frame = independent(rows, levels, seed=rows)
    assert of(frame) == []
    assert of(frame.drop(columns="when").sort_values("age")) == []
    assert of(frame.drop(columns="when").sort_values("a")) == []
    high = frame["y"] > frame["y"].median()
    assert of(frame.assign(y=np.where(high, "high", "low"))) == []


def test_a_strong_category_of_rows_drawn_one_by_one_is_a_feature():
    """Such as the store of a sale: the next sale is in one of the same stores."""
    assert of(independent(800, 40, seed=0, effect=5.0)) == []


def test_another_unit_of_a_number_makes_no_groups_of_it():
    random = np.random.RandomState(0)
    celsius = random.randint(-5, 30, 400)
    frame = pd.DataFrame({"c": celsius, "f": celsius * 1.8 + 32})
    frame["y"] = np.cos(celsius * 2.5) * 5 + random.normal(0, 0.1, 400)
    assert of(frame) == []


@pytest.mark.parametrize("target", TARGETS)
def test_a_table_of_every_kind_of_column_raises_none(target):
    assert split_doubts(read_table(with_target(target), target=target)) == []


def test_a_chosen_split_is_not_doubted():
    table = read_table(patients(), target="y", group="patient")
    assert plan_table(table).split_doubts == []
    assert plan_table(read_table(patients(), target="y")).split_doubts != []


def test_gaps_and_few_rows_are_no_obstacle():
    frame = hours()
    frame.loc[::7, "ts"] = pd.NaT
    frame.loc[::5, "x"] = np.nan
    assert [doubt.column for doubt in of(frame)] == ["ts"]
    assert of(frame.head(90)) == []
    assert of(frame.assign(y=[0] * 299 + [1])) == []


def test_of_large_tables_some_rows_and_columns_are_looked_at(monkeypatch):
    frame = patients(num=300, visits=20)
    wide = np.random.RandomState(0).normal(0, 1, (len(frame), 60))
    frame = pd.concat([frame, pd.DataFrame(wide).add_prefix("n")], axis=1)
    sizes = []
    answers = module._answers

    def noted(x, *others):
        sizes.append(x.shape)
        return answers(x, *others)

    monkeypatch.setattr(module, "_answers", noted)
    assert [doubt.column for doubt in of(frame)] == ["patient"]
    rows, features = zip(*sizes, strict=True)
    assert max(rows) <= module.MOST_ROWS
    assert max(features) <= module.MOST_NUMBERS + 50 + 10


def test_nothing_is_drawn_from_global_generators():
    before = torch.get_rng_state(), np.random.get_state()[1].tolist()
    assert of(patients()) == of(patients())
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.random.get_state()[1].tolist() == before[1]


def test_a_doubt_goes_through_json_and_back():
    (doubt,) = of(patients())
    assert SplitDoubt(**doubt.to_dict()) == doubt
