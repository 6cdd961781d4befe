"""What columns are taken for, what is refused, and what is written down."""

import datetime
import decimal
import json
import math
import string

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradatim.errors import ConfigError, DataError, RunError, SchemaError
from gradatim.store.json import parse_json
from gradatim.tables.saved.model_files import read_schema, schema_text
from gradatim.tables.schema.columns import UNSEEN, Column, Target
from gradatim.tables.schema.schema import Schema
from gradatim.tables.table import read_table

RANDOM = np.random.default_rng(0)
NUM_ROWS = 1_000


def infer(feature, *, name="f", target=None, **options):
    """The schema of one feature beside a plain one and a target."""
    values = feature if isinstance(feature, pa.ChunkedArray) else pa.array(feature)
    noise = np.random.default_rng(1)
    table = {
        name: values,
        "plain": noise.normal(size=len(values)),
        "y": noise.normal(size=len(values)) if target is None else target,
    }
    return Schema.infer(pa.table(table), target="y", **options)


def column(feature, *, name="f", **options):
    return infer(feature, name=name, **options).columns[0]


def words(count, *, rows=NUM_ROWS):
    return [f"word {number}" for number in RANDOM.integers(0, count, rows)]


KINDS = {
    "floats": (RANDOM.normal(size=NUM_ROWS), "number"),
    "few integers": (RANDOM.integers(0, 3, NUM_ROWS), "number"),
    "decimals": ([decimal.Decimal("1.5"), decimal.Decimal("2.25")] * 10, "number"),
    "half floats": (np.arange(50, dtype=np.float16), "number"),
    "small unsigned": (np.arange(50, dtype=np.uint8) % 7, "number"),
    "large unsigned": (np.array([1, 2**64 - 1] * 5, dtype=np.uint64), "number"),
    "durations": (pa.array([1, 2, 9], pa.duration("s")), "number"),
    "floats that all differ": (np.arange(NUM_ROWS) / 1.0, "number"),
    "30 integers that differ": (RANDOM.permutation(100)[:30], "number"),
    "large integers": (RANDOM.integers(0, 10**12, NUM_ROWS), "number"),
    "Unix times": (1_700_000_000 + 60 * np.arange(10_000), "number"),
    "years": (np.arange(1990, 2020), "number"),
    "categories": (words(20), "category"),
    "many categories": (words(400), "category"),
    "a category of two": (["a", "b", None] * 3, "category"),
    "one value or none": (["a", None] * 10, "category"),
    "a pandas category": (pa.array(words(20)).dictionary_encode(), "category"),
    "large strings": (pa.array(words(20), pa.large_string()), "category"),
    "string views": (pa.array(words(20), pa.string_view()), "category"),
    "booleans": ([True, False, None] * 10, "boolean"),
    "dates": ([datetime.date(2024, 1, day) for day in range(1, 29)], "datetime"),
    "times": (pa.array(range(NUM_ROWS), pa.timestamp("us")), "datetime"),
    "times of day": ([datetime.time(hour) for hour in range(24)], "datetime"),
    "64-bit dates": (pa.array([0, 86_400_000], pa.date64()), "datetime"),
    "names": ([f"name{number}" for number in range(NUM_ROWS)], "identifier"),
    "row numbers": (np.arange(20), "identifier"),
    "row numbers from 1": (np.arange(1, 21), "identifier"),
    "shuffled numbers": (RANDOM.permutation(NUM_ROWS), "identifier"),
    "handed out": (RANDOM.permutation(20_000)[:NUM_ROWS], "identifier"),
    "one number twice": (np.r_[RANDOM.permutation(20_000)[:999], 7], "identifier"),
    "sentences": ([f"{n} is the number of this row" for n in range(99)], "text"),
    "long words": ([f"{n:>050}" for n in range(99)], "text"),
    "rarely repeated": ([f"n{n * 2 // 3}" for n in range(99)], "text"),
    "lists": (pa.array([[1], [2, 3]] * 5), "text"),
    "structs": (pa.array([{"a": 1}, {"a": 2}] * 5), "text"),
    "bytes": (pa.array([b"a", b"b"] * 5), "text"),
    "one number": (np.ones(NUM_ROWS), "constant"),
    "one word": (["a"] * 10, "constant"),
    "always true": ([True] * 10, "constant"),
    "one day": ([datetime.date(2024, 1, 1)] * 10, "constant"),
    "nothing": (pa.nulls(10), "constant"),
    "no number": (pa.nulls(10, pa.float64()), "constant"),
    "only NaN": (np.full(10, np.nan), "constant"),
    "only missing words": (["NA", ""] * 5, "constant"),
}


@pytest.mark.parametrize("case", KINDS)
def test_kinds(case):
    feature, kind = KINDS[case]
    found = column(feature)
    assert found.kind == kind
    used = kind in ("number", "category", "boolean", "datetime")
    assert found.used == used
    assert bool(found.reason) == (not used)


def test_unique_numbers_are_an_identifier_when_their_name_says_so():
    numbers = RANDOM.permutation(10**6)[:50]
    assert column(numbers, name="weight").kind == "number"
    for name in ("id", "ID", "user_id", "userId", "Customer ID"):
        assert column(numbers, name=name).kind == "identifier"
    assert column(numbers, name="paid").kind == "number"
    assert column([3, 3, *numbers], name="user_id").kind == "number"


@given(numbers=st.lists(st.integers(0, 1_000), min_size=3, max_size=30, unique=True))
def test_integers_of_small_tables_are_measurements(numbers):
    if sorted(numbers) == numbers and numbers[-1] - numbers[0] == len(numbers) - 1:
        numbers = numbers[::-1]
    assert column(numbers).kind == "number"


def test_missing_values_are_counted_whatever_they_are():
    assert column([1.0, None, np.nan, np.inf, 2.0]).num_missing == 3
    assert column(["a", None, "NA", "", "a", "b", "a", "b"]).num_missing == 3
    assert column([True, None, False]).num_missing == 1
    assert column([1, None, 2]).num_missing == 1


@pytest.mark.parametrize(
    ("values", "origin"),
    [
        ([1.0, 2.0, 3.0], 0),
        ([1e9, 1e9 + 1, 1e9 + 2], 1e9 + 1),
        ([1_700_000_000, 1_700_000_001, 1_700_000_007], 1_700_000_001),
        ([-999, 1_700_000_001, 1_700_000_007], 1_700_000_001),
        ([1000.0, 1000.1, 1000.3], 1000.1),
        ([2**60, 2**60 + 1, 2**60 + 3], 2**60 + 1),
        ([0, 100, 1000], 0),
        ([1e9, np.inf, 1e9 + 2, 1e9 + 1], 1e9 + 1),
        ([-(2**62), 0, 2**62], 0),
    ],
)
def test_origins_keep_differences_in_float32(values, origin):
    found = column(values)
    assert found.origin == origin
    assert type(found.origin) is type(origin) or origin == 0
    table = pa.table({"f": values, "plain": values})
    x, _ = infer(values).encode(table)
    exact = np.array([float(v - origin) for v in values])
    expected = np.where(np.isfinite(exact), exact, np.nan).astype(np.float32)
    assert np.array_equal(x["numbers"][:, 0].numpy(), expected, equal_nan=True)


def test_large_integers_are_read_as_integers():
    assert column([1, 2, 4]).type == "double"
    assert column([1, 2, 2**60]).type == "int64"


def test_vocabularies_hold_the_most_frequent_values_sorted(monkeypatch):
    monkeypatch.setattr("gradatim.tables.schema.column_kinds.VOCABULARY_CAP", 3)
    feature = ["d"] * 4 + ["b"] * 3 + ["c"] * 2 + ["a"] * 2 + ["NA"]
    schema = infer(feature)
    assert schema.columns[0].vocabulary == ("a", "b", "d")
    x, notices = schema.encode(pa.table({"f": feature, "plain": [0.0] * 12}))
    assert x["categories"][:, 0].tolist() == [4] * 4 + [3] * 3 + [1] * 2 + [2] * 2 + [0]
    assert notices.unseen == {"f": 2}
    assert notices.unseen_examples == {"f": ["c"]}
    assert notices.missing == {"f": 1}


@pytest.mark.parametrize("said", [{}, {"category": ["f"]}])
def test_it_is_told_where_rare_values_share_a_code(said, monkeypatch):
    monkeypatch.setattr("gradatim.tables.schema.column_kinds.VOCABULARY_CAP", 3)
    feature = ["d"] * 4 + ["b"] * 3 + ["c"] * 2 + ["a"] * 2 + ["NA"]
    data = pa.table({"f": feature, "y": [*range(12)]})
    table = read_table(data, target="y", **said)
    assert table.schema.columns[0].reason == (
        "of 4 values the 3 most frequent have a code each, the others (2 rows) share "
        "one; if it only says which row it is: --id f"
    )
    assert table.notices.lines() == []  # all values were seen
    rare, unseen = table.x["categories"][7, 0], UNSEEN
    new = read_table(pa.table({"f": ["never", "c"]}), schema=table.schema)
    assert new.x["categories"][:, 0].tolist() == [rare, rare] == [unseen, unseen]
    stored = Schema.from_dict(table.schema.to_dict())
    assert stored == table.schema


def test_keep_and_drop():
    names = [f"name{number}" for number in range(50)]
    kept = column(names, keep=["f"])
    assert (kept.kind, kept.used, len(kept.vocabulary)) == ("category", True, 50)
    assert kept.reason == "kept, though 50 of 50 values differ"
    kept = column(np.arange(50), keep=["f"])
    assert (kept.kind, kept.used, kept.vocabulary) == ("number", True, ())
    kept = column(np.ones(50), keep=["f"])
    assert (kept.kind, kept.used) == ("number", True)
    kept = column(RANDOM.normal(size=50), keep=["f"])
    assert (kept.kind, kept.used, kept.reason) == ("number", True, "")
    dropped = column(RANDOM.normal(size=50), drop=["f"])
    assert (dropped.kind, dropped.used, dropped.reason) == (
        "number",
        False,
        "dropped by name",
    )
    for option in ("keep", "drop"):
        with pytest.raises(DataError, match=r"no column 'plane'.*Did you mean 'plain'"):
            infer([1, 2, 4], **{option: ["plane"]})


def test_kept_integers_stay_numbers():
    schema = infer(np.arange(50), keep=["f"])
    for values in (pa.array([7, 99]), pa.array([7.0, 99.0]), pa.array([7, 99], "int8")):
        x, _ = schema.encode(pa.table({"f": values, "plain": [0.0, 0.0]}))
        assert x["numbers"][:, 0].tolist() == [7, 99]


def test_duplicates_are_dropped_and_named():
    values = RANDOM.normal(size=50)
    gaps = [None, *values[1:]]
    table = pa.table(
        {
            "a": values,
            "b": gaps,
            "c": values,
            "d": gaps,
            "e": words(3, rows=50),
            "y": RANDOM.normal(size=50),
        }
    )
    table = table.append_column("g", table["e"])
    columns = Schema.infer(table, target="y").columns
    found = {c.name: c.reason for c in columns if c.kind == "duplicate"}
    assert found == {
        "c": "the same as 'a' in every row",
        "d": "the same as 'b' in every row",
        "g": "the same as 'e' in every row",
    }
    columns = Schema.infer(table, target="y", keep=["c"]).columns
    assert columns[2].used


@pytest.mark.parametrize("task", ["classes", "numbers"])
def test_the_target_under_another_name_is_refused(task):
    if task == "classes":
        target = ["yes", "no", "no", "yes", "no"] * 4
        feature = [1.0 if value == "yes" else 3.0 for value in target]
        other = ["a", "a", "b", "b", "a"] * 4
    else:
        target = list(RANDOM.normal(size=20))
        feature, other = list(target), list(np.array(target) * 2)
    message = r"'f' is the target 'y' under another name: in all 20 .*\n.*\n.*--drop f"
    with pytest.raises(DataError, match=message):
        infer(feature, target=target)
    assert column(feature, target=target, keep=["f"]).used
    assert not column(feature, target=target, drop=["f"]).used
    assert column(other, target=target).used
    changed = [feature[1], *feature[1:]]
    assert column(changed, target=target).used


TARGETS = {
    "text of two": (["a", "b"] * 10, "binary", ("a", "b")),
    "text of three": (["a", "b", "c"] * 10, "classification", ("a", "b", "c")),
    "booleans": ([True, False] * 10, "binary", (False, True)),
    "zeros and ones": ([0, 1] * 3, "binary", (0, 1)),
    "two whole floats": ([1.0, 2.0] * 3, "binary", (1.0, 2.0)),
    "few integers": ([3, 5, 9] * 20, "classification", (3, 5, 9)),
    "few whole floats": ([3.0, 5.0, 9.0] * 20, "classification", (3.0, 5.0, 9.0)),
    "small integers": (np.array([1, 2, 3] * 20, np.int8), "classification", (1, 2, 3)),
    "integers seldom the same": ([1, 2, 3, 4] * 5, "regression", ()),
    "many integers": (list(range(21)) * 20, "regression", ()),
    "fractions": ([0.5, 1.5] * 20, "regression", ()),
    "decimals": ([decimal.Decimal("0.5"), decimal.Decimal("1.5")], "regression", ()),
}


@pytest.mark.parametrize("case", TARGETS)
def test_the_task_is_told_by_the_target(case):
    values, task, labels = TARGETS[case]
    schema = infer(RANDOM.normal(size=len(values)), target=values)
    assert (schema.target.task, schema.labels) == (task, labels)
    assert [type(label) for label in schema.labels] == [type(label) for label in labels]
    again = Schema.from_dict(json.loads(json.dumps(schema.to_dict())))
    assert [type(label) for label in again.labels] == [type(label) for label in labels]
    y = schema.encode_target(pa.table({"y": values}))
    if labels:
        assert [labels[code] for code in y.tolist()] == list(values)
    else:
        assert y.tolist() == pytest.approx([float(value) for value in values])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["b|a", "b", "a", "a|b"], "2 labels joined by '|'"),
        (["red; blue", "red; green", "green"], ""),  # as many parts as classes
        (["red; blue", "red", "blue", "blue; red"], "2 labels joined by ';'"),
        (["x", "y", "z", "x,y", "y,z"], "3 labels joined by ','"),
        (["hut, old", "flat", "house"], ""),
        (["20|30", "30|40", "40|50"], ""),
        (["a", "b"], ""),
    ],
)
def test_labels_joined_in_one_class_are_told(words, told):
    values = pa.table({"x": range(10 * len(words)), "tags": words * 10})
    target = Schema.infer(values, target="tags", keep=["x"]).target
    assert target.labels == tuple(sorted(set(words)))
    assert target.reason.startswith(told) and bool(target.reason) == bool(told)


def test_several_targets_are_refused_but_a_name_may_hold_a_comma():
    numbers = [0.1 * n**2 for n in range(20)]
    table = {"x": range(20), "a": numbers, "b": numbers[::-1], "a,b": numbers}
    kept = {"keep": ["x", "a", "b"]}
    target = Schema.infer(pa.table(table), target="a,b", **kept).target
    assert target.name == "a,b"
    del table["a,b"]
    with pytest.raises(ConfigError, match=r"(?s)'a, b' names 2 columns.*--target a,"):
        Schema.infer(pa.table(table), target="a, b")
    with pytest.raises(DataError, match="There is no column 'a,c'"):
        Schema.infer(pa.table(table), target="a,c")


def test_the_task_can_be_set():
    feature = RANDOM.normal(size=40)
    numbers = [1, 2] * 20
    assert infer(feature, target=numbers, task="regression").labels == ()
    assert infer(feature, target=numbers, task="classification").labels == (1, 2)
    grades = [1, 2, 3, 4] * 10
    assert infer(feature, target=grades, task="classification").labels == (1, 2, 3, 4)
    with pytest.raises(DataError, match=r"has 4 classes.*\n.*two, for a binary task"):
        infer(feature, target=grades, task="binary")
    with pytest.raises(DataError, match=r"holds text.*\n.*numbers, for regression"):
        infer(feature, target=["a", "b"] * 20, task="regression")
    with pytest.raises(ConfigError, match=r"no task 'guess'(.|\n)*regression, binary"):
        infer(feature, target=numbers, task="guess")


def test_targets_that_cannot_be_learned_are_refused():
    feature = RANDOM.normal(size=40)
    with pytest.raises(DataError, match=r"'y' is 'a' in all 40 rows(.|\n)*Choose"):
        infer(feature, target=["a"] * 40)
    with pytest.raises(DataError, match=r"'y' is 1\.5 in all 40 rows"):
        infer(feature, target=[1.5] * 40)
    with pytest.raises(DataError, match=r"21 classes in 40 rows(.|\n)*At most 20"):
        infer(feature, target=[f"c{n % 21}" for n in range(40)])
    many = [f"c{n % 1_001}" for n in range(4_000)]
    with pytest.raises(DataError, match=r"1,001 classes in 4,000 rows(.|\n)*1,000"):
        infer(RANDOM.normal(size=4_000), target=many)
    with pytest.raises(DataError, match=r"'y' holds date32"):
        infer(feature, target=[datetime.date(2024, 1, 1)] * 40)
    gaps = [1.5, None, np.nan, np.inf, *RANDOM.normal(size=36)]
    message = r"infinite in 3 of 40 rows \(rows 2, 3, 4.*\n.*\n.*--drop-missing-target"
    with pytest.raises(DataError, match=message):
        infer(feature, target=gaps)
    with pytest.raises(
        DataError, match=r"in 20 of 40 rows \(rows 2, 4, 6, 8, 10, \.\."
    ):
        infer(feature, target=["a", "NA", "b", None] * 10)


def test_tables_without_features_are_refused():
    table = pa.table({"id": range(20), "c": [1] * 20, "y": RANDOM.normal(size=20)})
    message = (
        r"None of the 2 columns .*id: it counts the rows; c: every row(.|\n)*--keep"
    )
    with pytest.raises(DataError, match=message):
        Schema.infer(table, target="y")
    assert len(Schema.infer(table).columns) == 3  # only to look
    with pytest.raises(DataError, match=r"None of the 0 columns"):
        Schema.infer(table.select(["y"]), target="y")
    with pytest.raises(DataError, match=r"no column 'Y'\. Did you mean 'y'"):
        Schema.infer(table, target="Y")


def test_describe_tells_each_column():
    schema = infer([f"n{n}" for n in range(30)], target=["a", "b", "b"] * 10)
    rows = schema.describe()
    assert rows[0] == ("y", "target", "2 classes: 'a' 33%, 'b' 67%", "binary")
    assert rows[1][:2] == ("f", "identifier")
    assert rows[1][3] == "not used: 30 of 30 values differ"
    assert rows[2][1] == "number" and rows[2][3] == "used"
    rows = infer([1.0, None, 3.0]).describe()
    assert rows[1] == ("f", "number", "1 to 3, 1 missing", "used")


def test_encoding_matches_columns_by_name():
    schema = infer(words(5), name="word")
    table = pa.table({"word": ["word 1", "word 4"], "plain": [1.0, 2.0]})
    expected, _ = schema.encode(table)
    other = table.select(["plain", "word"]).append_column("more", [[1, 2]])
    for data in (other, other.to_batches()[0]):
        x, notices = schema.encode(data)
        assert {k: v.tolist() for k, v in x.items()} == {
            k: v.tolist() for k, v in expected.items()
        }
        assert notices.extra == ("more",)
    message = r"lacks 1 of 2 columns: 'word'\. Did you mean 'words'(.|\n)*Add the col"
    with pytest.raises(SchemaError, match=message):
        schema.encode(table.rename_columns(["words", "plain"]))


def encoded(schema, values, *, name="f"):
    table = pa.table({name: values, "plain": [0.0] * len(values)})
    x, notices = schema.encode(table)
    return x, notices


def test_numbers_of_any_source_type_are_numbers():
    schema = infer([1.0, 2.0, 4.0])
    for values in (
        pa.array([1, 2], pa.int8()),
        pa.array([1, 2], pa.uint64()),
        pa.array([1, 2], pa.float32()),
        pa.array([decimal.Decimal(1), decimal.Decimal(2)]),
        pa.array(["1", "2"]),
        pa.array(["1", " 2"]).dictionary_encode(),
        pa.array([1, 2]).dictionary_encode(),
        pa.array([1, 2], pa.float16()),
    ):
        x, _ = encoded(schema, values)
        assert x["numbers"][:, 0].tolist() == [1.0, 2.0], values.type
    x, notices = encoded(schema, pa.array([None, "NA", "7", np.nan and None]))
    assert x["numbers"][:, 0].isnan().tolist() == [True, True, False, True]
    assert notices.missing["f"] == 3
    x, notices = encoded(schema, [np.inf, 1e39, -1e39, 5.0])
    assert notices.infinite == {"f": 3}
    assert "f" not in notices.missing
    x, _ = encoded(schema, pa.nulls(2))
    assert x["numbers"][:, 0].isnan().all()


def test_values_of_another_kind_are_refused():
    dates = [datetime.date(2024, 1, 1), datetime.date(2024, 3, 1)]
    numbers, text = infer([1.0, 2.0, 4.0]), infer(words(5))
    flags, days = infer([True, False, True]), infer(dates * 5)
    with pytest.raises(SchemaError, match=r"'f', row 3: 'x' is not a number"):
        encoded(numbers, ["1", "2", "x", "y"])
    with pytest.raises(
        SchemaError,
        match=r"'f' has a date .* in each row, where the schema has a num",
    ):
        encoded(numbers, dates)
    with pytest.raises(
        SchemaError,
        match=r"has a whole number in each row, where the schema has text",
    ):
        encoded(text, [501, 10_001])
    with pytest.raises(SchemaError, match=r"row 2: '2' is not true or false"):
        encoded(flags, [1, 2])
    with pytest.raises(SchemaError, match=r"row 1: '0\.5' is not true or false"):
        encoded(flags, [0.5, 1.0])
    for values in (["true", "False"], [1, 0], [1.0, 0.0], [True, False]):
        x, _ = encoded(flags, values)
        assert x["categories"][:, 0].tolist() == [3, 2]
    with pytest.raises(
        SchemaError,
        match=r"has a whole number in each row, where the schema has a date",
    ):
        encoded(days, [1, 2])
    with pytest.raises(SchemaError, match=r"row 2: 'soon' is not a date"):
        encoded(days, ["2024-01-01", "soon"])
    zoned = pa.array([0, 1], pa.timestamp("s", tz="UTC"))
    with pytest.raises(SchemaError, match="has a date and time with a zone"):
        encoded(days, zoned)
    with pytest.raises(SchemaError, match="has a value of type list"):
        encoded(text, [[1], [2]])


def test_classes_unknown_in_training_are_refused():
    schema = infer(RANDOM.normal(size=20), target=["a", "b"] * 10)
    with pytest.raises(DataError, match=r"'y', row 2: 'c' is none of the 2 classes"):
        schema.encode_target(pa.table({"y": ["a", "c"]}))
    with pytest.raises(DataError, match=r"missing, NaN or infinite in 1 of 2 rows"):
        schema.encode_target(pa.table({"y": ["a", None]}))
    with pytest.raises(SchemaError, match=r"no target 'y'\."):
        schema.encode_target(pa.table({"z": ["a", "b"]}))


def test_regression_targets_far_from_zero_have_an_origin():
    values = [1_700_000_000 + n for n in (0, 1, 2, 5)] * 10
    schema = infer(RANDOM.normal(size=40), target=values, task="regression")
    y = schema.encode_target(pa.table({"y": values}))
    assert (y.double() + schema.target.origin).tolist() == values


TEXT = st.text(alphabet=string.printable + "é\u2028😀", max_size=9)
INT64 = st.integers(-(2**62), 2**62)
NUMBER = st.one_of(INT64, st.floats(-1e300, 1e300))


def columns_of(**entries):
    """Columns of one kind; what a feature is encoded with is as ``entries`` say."""
    free = {
        "name": TEXT,
        "used": st.just(True),
        "seen": TEXT,
        "reason": TEXT,
        "num_missing": st.integers(0, 10**9),
        "origin": NUMBER,
        "unit": st.just(""),
        "parts": st.just(()),
        "vocabulary": st.just(()),
    }
    made = {name: st.sampled_from(each) for name, each in entries.items()}
    return st.fixed_dictionaries({**free, **made})


COLUMNS = st.one_of(
    columns_of(kind=["number", "identifier"], type=["double", "int64"]),
    columns_of(
        kind=["category"], type=["string"], vocabulary=[("a",), ("", "é\u2028")]
    ),
    columns_of(kind=["boolean"], type=["bool"], vocabulary=[("false", "true")]),
    columns_of(
        kind=["datetime"],
        type=["timestamp[us, tz=Europe/Berlin]", "date32[day]", "time32[s]"],
        unit=["s", "ms", "us", "ns"],
        origin=[-(2**62), 0, 2**62],
        parts=[(), ("weekday",), ("time_of_day", "day_of_year")],
    ),
    columns_of(kind=["text"], type=["list<item: int64>"], used=[False], unit=["s"]),
)
STORED_TARGETS = st.one_of(
    *(
        st.fixed_dictionaries(
            {
                "type": st.just(kind),
                "labels": st.lists(values, min_size=2, max_size=4, unique=True).map(
                    tuple
                ),
            }
        )
        for kind, values in {
            "string": TEXT,
            "bool": st.booleans(),
            "int64": INT64,
            "double": st.floats(-1e9, 1e9),
        }.items()
    )
)


@given(
    columns=st.lists(COLUMNS, max_size=3, unique_by=lambda column: column["name"]),
    target=STORED_TARGETS,
    num_rows=st.integers(0, 10**9),
)
def test_schemas_come_back_from_json(columns, target, num_rows):
    labels = target["labels"]
    target = Target(name="the target", task="classification", **target)
    schema = Schema(
        columns=tuple(Column(**entries) for entries in columns),
        target=target,
        num_rows=num_rows,
    )
    again = Schema.from_dict(parse_json(schema_text(schema), "it"))
    assert again == schema
    assert [type(label) for label in again.labels] == [type(label) for label in labels]


def damaged(change):
    data = json.loads(json.dumps(infer(words(3)).to_dict()))
    change(data)
    return json.dumps(data)


DAMAGE = {
    "another version": (
        damaged(lambda data: data.update(version=2)),
        r"version 2; this gradatim reads version 1",
    ),
    "no version": (damaged(lambda data: data.pop("version")), "version None"),
    "more entries": (
        damaged(lambda data: data.update(hook="os.system")),
        r"unknown entries \['hook'\]",
    ),
    "fewer entries": (
        damaged(lambda data: data["columns"][1].pop("origin")),
        r"lacks \['origin'\] for column 1",
    ),
    "NaN": (
        damaged(lambda data: data["columns"][0].update(origin=float("nan"))),
        "NaN is no JSON",
    ),
    "beyond a double": (
        damaged(lambda data: data["columns"][0].update(origin=1)).replace(
            '"origin": 1,', '"origin": 1e999,'
        ),
        "'1e999' is too large a number",
    ),
    "no kind": (
        damaged(lambda data: data["columns"][0].update(kind="x")),
        "kind = 'x' for column 0",
    ),
    "no type": (
        damaged(lambda data: data["columns"][0].update(type="os")),
        "the type 'os' for column 0",
    ),
    "a word for a number": (
        damaged(lambda data: data["columns"][0].update(num_missing="7")),
        "num_missing = '7'",
    ),
    "true for a version": (
        damaged(lambda data: data.update(version=True)),
        "version True; this gradatim reads version 1",
    ),
    "a part of a date that is none": (
        damaged(lambda data: data["columns"][1].update(parts=["os.system"])),
        "parts",
    ),
    "a unit of times for words": (
        damaged(lambda data: data["columns"][0].update(unit="s")),
        "type 'string', which its other entries do not fit, for column 0",
    ),
    "a number that is text": (
        damaged(lambda data: data["columns"][1].update(type="string")),
        "type 'string', which its other entries do not fit, for column 1",
    ),
    "a zone that is none": (
        damaged(
            lambda data: data["columns"][1].update(
                kind="datetime", type="timestamp[s, tz=os.system]", unit="s"
            )
        ),
        r"type 'timestamp\[s, tz=os.system\]' for column 1",
    ),
    "an origin beyond 64 bits": (
        damaged(lambda data: data["columns"][1].update(origin=10**299)),
        "origin = 1000",
    ),
    "an origin beyond a double": (
        damaged(lambda data: data["columns"][1].update(origin=10**400)),
        "is too large a number",
    ),
    "a count below zero": (
        damaged(lambda data: data.update(num_rows=-1)),
        "num_rows = -1",
    ),
    "a count that is no integer": (
        damaged(lambda data: data.update(num_rows=1.5)),
        r"num_rows = 1\.5",
    ),
    "words twice": (
        damaged(lambda data: data["columns"][0].update(vocabulary=["a", "a"])),
        "type 'string', which its other entries do not fit",
    ),
    "names twice": (
        damaged(lambda data: data["columns"][0].update(name="y")),
        "a name that two columns have",
    ),
    "labels twice": (
        damaged(
            lambda data: data["target"].update(
                task="binary", type="int64", labels=[1, 1], origin=0
            )
        ),
        r"labels = \(1, 1\) of the type 'int64'",
    ),
    "labels of another type": (
        damaged(
            lambda data: data["target"].update(
                task="binary", type="string", labels=[0, 1], origin=0
            )
        ),
        r"labels = \(0, 1\) of the type 'string'",
    ),
    "labels of a regression": (
        damaged(
            lambda data: data["target"].update(task="regression", labels=["a", "b"])
        ),
        r"labels = \('a', 'b'\)",
    ),
    "a number for words": (
        damaged(lambda data: data["columns"][0].update(vocabulary=[1])),
        r"vocabulary = \[1\]",
    ),
    "a label that is a list": (
        damaged(lambda data: data["target"].update(labels=[[]])),
        r"labels = \[\[\]\] for the target",
    ),
    "columns that are none": (damaged(lambda data: data.update(columns=7)), "columns"),
    "a column that is none": (damaged(lambda data: data.update(columns=[7])), "col"),
    "rows that are none": (damaged(lambda d: d.update(num_rows="x")), "num_rows = 'x'"),
    "missing values that are none": (
        damaged(lambda data: data.update(missing_values=[None])),
        r"missing_values = \[None\]",
    ),
    "a list": ("[]", "version None"),
    "cut off": ("{", "is no valid JSON"),
    "deep": ("[" * 100_000, "is no valid JSON"),
    "bytes": ("\udcff", "is no UTF-8"),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_damaged_schemas_are_refused(case, tmp_path):
    text, message = DAMAGE[case]
    content = text.encode("utf-8", "surrogateescape")
    with pytest.raises(RunError, match=message) as caught:
        read_schema(content, tmp_path / "schema.json")
    assert len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize("origin", [math.inf, math.nan])
def test_an_origin_that_is_no_finite_number_is_refused(origin):
    data = infer(words(3)).to_dict()
    data["columns"][0]["origin"] = origin
    with pytest.raises(SchemaError, match=f"origin = {origin} for column 0"):
        Schema.from_dict(data)
