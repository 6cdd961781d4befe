"""Features that were made from the target are told, and independent ones are not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import datasets

from gradatim.tables.fit.plan import plan_table
from gradatim.tables.fit.telling_features import telling_features, telling_line
from gradatim.tables.table import read_table

MADE = {
    "in another unit": lambda y: 1.1 * y,
    "rounded": lambda y: np.round(1.1 * y + 3, 2),
    "its logarithm": lambda y: np.log(y),
    "the other way": lambda y: 1 / y,
    "squared": lambda y: (y * 1e3) ** 2,
    "missing in some rows": lambda y: np.where(np.arange(len(y)) % 5, -y, np.nan),
}
LEVELS = np.array(["low", "mid", "high"])
OF_CLASSES = {
    "the number behind it": lambda y: 2.5 * y,
    "a finer category": lambda y: [f"d{int(v)}" for v in np.digitize(y, EDGES)],
    "with a slip": lambda y: np.where(np.arange(len(y)) == 7, 1e3, y),
}
EDGES = np.quantile(np.exp(np.random.default_rng(9).normal(size=999)), [0.3, 0.5, 0.8])


def others(random, rows):
    """Columns that say nothing of the target, of each kind."""
    return {
        "number": random.normal(size=rows),
        "count": random.integers(0, 5, rows),
        "flag": random.random(rows) < 0.5,
        "kind": random.choice(list("abcdefgh"), rows),
        "tail": np.exp(2 * random.normal(size=rows)),
    }


@pytest.mark.parametrize("how", MADE)
@pytest.mark.parametrize("rows", [60, 500])
def test_a_number_that_was_made_from_the_target_is_told(how, rows):
    random = np.random.default_rng(rows)
    y = np.exp(random.normal(size=rows))
    data = {**others(random, rows), "made": MADE[how](y), "y": y}
    assert telling_features(read_table(data, target="y")) == ["made"]


@pytest.mark.parametrize("how", OF_CLASSES)
@pytest.mark.parametrize("classes", [2, 3])
def test_a_feature_that_fixes_the_class_is_told(how, classes):
    random = np.random.default_rng(classes)
    y = np.exp(random.normal(size=300))
    level = LEVELS[np.digitize(y, EDGES[:: 4 - classes][: classes - 1])]
    data = {**others(random, 300), "made": OF_CLASSES[how](y), "y": level}
    assert telling_features(read_table(data, target="y")) == ["made"]


def test_a_category_that_fixes_a_number_is_told():
    random = np.random.default_rng(0)
    tariff = random.choice(list("abcdef"), 200)
    prices = {name: 7.5 * place**2 for place, name in enumerate("abcdef")}
    y = [prices[name] + random.normal() / 100 for name in tariff]
    data = {**others(random, 200), "tariff": tariff, "y": y}
    assert telling_features(read_table(data, target="y")) == ["tariff"]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 999),
    rows=st.sampled_from([40, 100, 500]),
    target=st.sampled_from(["number", "skewed", "rare", "two", "six"]),
    in_order=st.booleans(),
)
def test_independent_columns_are_not_told(seed, rows, target, in_order):
    random = np.random.default_rng(seed)
    y = {
        "number": lambda: random.normal(size=rows),
        "skewed": lambda: np.exp(2 * random.normal(size=rows)),
        "rare": lambda: np.where(np.arange(rows) < max(2, rows // 30), "p", "q"),
        "two": lambda: random.choice(["p", "q"], rows),
        "six": lambda: random.choice(list("uvwxyz"), rows),
    }[target]()
    y = np.sort(y) if in_order else y
    data = {**others(random, rows), "y": y}
    assert telling_line(read_table(data, target="y", task=None)) == ""


def test_one_row_far_out_in_both_does_not_make_them_alike():
    random = np.random.default_rng(0)
    data = {**others(random, 200), "y": random.normal(size=200)}
    data["number"][3], data["y"][3] = 1e6, 1e6
    assert telling_features(read_table(data, target="y")) == []


@pytest.mark.parametrize("name", ["diabetes", "wine", "breast_cancer", "iris"])
def test_well_known_tables_have_none(name):
    frame = getattr(datasets, f"load_{name}")(as_frame=True).frame
    if name != "diabetes":
        frame["target"] = "class " + frame["target"].astype(str)
    assert telling_features(read_table(frame, target="target")) == []


def test_the_plan_tells_them_with_the_option():
    random = np.random.default_rng(0)
    y = random.normal(size=100)
    data = {**others(random, 100), "y_usd": 1.1 * y, "y_gbp": 0.8 * y, "y": y}
    (note,) = plan_table(read_table(data, target="y")).notes
    assert note.startswith("y_usd, y_gbp each give y nearly alone.")
    assert note.endswith("leave it out: --drop y_usd --drop y_gbp")
