"""Tables of Python programs as columns, of every library that people use for them."""

import datetime
from decimal import Decimal
from fractions import Fraction

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gradatim.errors import DataError, FileReadError
from gradatim.tables.files.frames import column_name, source_of_frame
from gradatim.tables.table import read_table

NUM_ROWS = 30


def columns():
    """A column of each sort, as lists of Python's own values."""
    random = np.random.default_rng(0)
    day = datetime.date(2024, 1, 31)
    return {
        "size": [None if n % 7 == 3 else float(n**0.5) for n in range(NUM_ROWS)],
        "rooms": random.integers(1, 9, NUM_ROWS).tolist(),
        "city": [None if n % 9 == 4 else "uvw"[n * n % 3] for n in range(NUM_ROWS)],
        "new": [n % 5 < 2 for n in range(NUM_ROWS)],
        "sold": [day + datetime.timedelta(n * n) for n in range(NUM_ROWS)],
        "price": random.normal(size=NUM_ROWS).tolist(),
    }


def fields(data):
    """A NumPy array with named fields, as ``np.genfromtxt(names=True)`` gives one."""
    frame = pd.DataFrame(data)
    out = np.zeros(
        NUM_ROWS,
        dtype=[
            ("size", ">f8"),
            ("rooms", "i4"),
            ("city", "S4"),
            ("new", "?"),
            ("sold", "M8[D]"),
            ("price", "f8"),
        ],
    )
    for name in out.dtype.names:
        out[name] = frame[name].fillna("") if name == "city" else frame[name]
    return out


def relation(data):
    frame = pa.table(data)
    return duckdb.from_arrow(frame)


WAYS = {
    "pandas": pd.DataFrame,
    "pandas, nullable": lambda data: pd.DataFrame(data).convert_dtypes(),
    "pandas, of Arrow": lambda data: pa.table(data).to_pandas(
        types_mapper=pd.ArrowDtype
    ),
    "pandas, of objects": lambda data: pd.DataFrame(data, dtype=object),
    "pandas, an index of texts": lambda data: pd.DataFrame(data, index=["u", "v"] * 15),
    "pandas, categorical": lambda data: pd.DataFrame(data).astype({"city": "category"}),
    "pandas, sparse": lambda data: pd.DataFrame(data).astype(
        {"rooms": pd.SparseDtype("int64", 3)}
    ),
    "polars": pl.DataFrame,
    "polars, lazy": pl.LazyFrame,
    "polars, categorical": lambda data: pl.DataFrame(
        data, schema_overrides={"city": pl.Categorical}
    ),
    "polars, enum": lambda data: pl.DataFrame(
        data, schema_overrides={"city": pl.Enum(["w", "v", "u"])}
    ),
    "Arrow's stream of polars": lambda data: pa.table(
        pl.DataFrame(data, schema_overrides={"city": pl.Categorical})
    ),
    "pyarrow": pa.table,
    "record batch": pa.RecordBatch.from_pydict,
    "reader": lambda data: pa.table(data).to_reader(max_chunksize=7),
    "duckdb": relation,
    "dict of lists": dict,
    "dict of arrays": lambda data: {
        name: np.array(values) for name, values in data.items()
    },
    "dict of series and tensors": lambda data: {
        "size": pd.Series(data["size"], index=range(7, 7 + NUM_ROWS)),
        "rooms": torch.tensor(data["rooms"]),
        "city": pl.Series(data["city"]),
        "new": tuple(data["new"]),
        "sold": pa.array(data["sold"]),
        "price": np.array(data["price"], ">f8"),
    },
    "list of dicts": lambda data: [
        {name: values[row] for name, values in data.items() if values[row] is not None}
        for row in range(NUM_ROWS)
    ],
    "fields": fields,
}


def assert_same(some, others):
    """Hold the two tables to be the same to a model."""
    for column, other in zip(some.schema.columns, others.schema.columns, strict=True):
        for entry in ("name", "kind", "used", "parts", "vocabulary", "origin", "unit"):
            assert getattr(column, entry) == getattr(other, entry), (column, other)
    assert some.x.keys() == others.x.keys()
    for name, values in some.x.items():
        torch.testing.assert_close(
            values, others.x[name], rtol=0, atol=0, equal_nan=True
        )
    assert torch.equal(some.y, others.y)
    assert some.schema.labels == others.schema.labels


@pytest.mark.parametrize("way", WAYS)
def test_the_same_table_in_every_library(way):
    data = columns()
    expected = read_table(pa.table(data), target="price")
    assert [c.kind for c in expected.schema.columns] == [
        *("number", "number", "category", "boolean", "datetime")
    ]
    assert_same(read_table(WAYS[way](data), target="price"), expected)
    again = read_table(WAYS[way](data), schema=expected.schema)
    assert_same(again, expected)


PANDAS = {
    "intervals": (pd.cut(pd.Series([1.0, 2, 9, None]), [0, 5, 10]), "category"),
    "interval array": (
        pd.arrays.IntervalArray.from_tuples([(0, 5), (0, 5), (5, 10), None]),
        "category",
    ),
    "months": (
        pd.PeriodIndex(["2024-01", "2024-03", "2024-02", None], freq="M"),
        "datetime",
    ),
    "categories of dates": (
        pd.Series(
            pd.to_datetime(["2024-01-01", "2024-03-01", "2024-02-01", None])
        ).astype("category"),
        "datetime",
    ),
    "decimals": ([Decimal("1.5"), Decimal("2"), Decimal("9"), None], "number"),
    "mixed numbers": (pd.Series([1, 2.5, Decimal(9), None], dtype=object), "number"),
    "large integers": (pd.Series([1, 2, 10**20, None], dtype=object), "number"),
    "durations": (pd.to_timedelta([1, 2, 9, None], unit="D"), "number"),
    "half": (np.array([1, 2, 9, np.nan], dtype=np.float16), "number"),
    "quad": (np.array([1, 2, 9, np.nan], dtype=np.longdouble), "number"),
    "masked": (np.ma.masked_values([1, 2, 9, -999], -999), "number"),
    "years": (np.array(["2024", "2026", "2025", "NaT"], "M8[Y]"), "datetime"),
    "hours": (
        np.array(["2024-01-01T01", "2024-01-01T03", "2024-01-01T02", "NaT"], "M8[h]"),
        "datetime",
    ),
    "zoned": (
        pd.to_datetime(["2024-01-01", "2024-03-01", "2024-02-01", None]).tz_localize(
            "Asia/Tokyo"
        ),
        "datetime",
    ),
}


@pytest.mark.parametrize("what", PANDAS)
def test_what_a_column_of_a_library_is(what):
    values, kind = PANDAS[what]
    rows = np.tile(np.arange(4), 5)
    frame = pd.DataFrame({"a": values}).iloc[rows]
    frame["y"] = np.arange(20.0)
    table = read_table(frame, target="y")
    (column,) = table.schema.columns
    assert (column.kind, column.used, column.num_missing) == (kind, True, 5), column
    codes = next(iter(table.x.values()))[:, 0]
    if kind != "category":  # of the rows 1, 2, 9 the third one lies between or beyond
        order = np.argsort(codes[:3].numpy()).tolist()
        assert order == ([0, 2, 1] if kind == "datetime" else [0, 1, 2])
    given_alone = read_table({"a": frame["a"], "y": frame["y"].tolist()}, target="y")
    assert_same(given_alone, table)


def test_texts_and_numbers_beside_each_other_are_texts_as_in_a_file(tmp_path):
    mixed = [1, "x", 2.5, True, None, datetime.date(2024, 1, 31)] * 5
    frame = pd.DataFrame({"a": mixed, "y": np.arange(30.0)})
    frame.to_csv(tmp_path / "a.csv", index=False)
    table = read_table(frame, target="y")
    assert_same(table, read_table(tmp_path / "a.csv", target="y"))
    assert table.schema.columns[0].vocabulary == ("1", "2.5", "2024-01-31", "True", "x")


def test_names_that_are_no_text():
    values, y = np.arange(20.0) % 3, np.arange(20.0)
    table = read_table(pd.DataFrame(np.c_[values, values**2, y]), target=2, drop=[0])
    assert [c.name for c in table.schema.features] == ["1"]
    pairs = pd.MultiIndex.from_product([["a"], [np.int64(1), "y"]])
    frame = pd.DataFrame(np.c_[values, y], columns=pairs)
    table = read_table(frame, target=("a", "y"), keep=[("a", 1)])
    assert [c.name for c in table.schema.columns] == ["('a', 1)"]
    assert read_table(frame, schema=table.schema).x.keys() == {"numbers"}
    assert column_name(pd.Timestamp("2024-01-31")) == "2024-01-31 00:00:00"
    with pytest.raises(DataError, match="named '1'"):
        read_table(pd.DataFrame({1: values, "1": values, "y": y}), target="y")
    for nothing in (None, float("nan"), " "):
        with pytest.raises(FileReadError, match="column 1 of 2 has no name"):
            source_of_frame({nothing: values, "y": y})


def collected(frame):
    return frame.lazy().select(pl.col("a").cast(pl.Date, strict=True))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            np.zeros((3, 2)),
            r"from a ndarray of the shape \(3, 2\)(.|\n)*dict of columns",
        ),
        (torch.zeros(3, 2), r"from a Tensor of the shape \(3, 2\)"),
        (pd.Series([1, 2]), r"from a Series of the shape \(2,\)"),
        (pl.Series([1, 2]), r"from a Series of the shape \(2,\)"),
        (None, "from a NoneType"),
        ([], "from a list"),
        (iter([{"a": 1}]), "from a list_iterator"),
        ([(1, 2), (3, 4)], r"Row 1 of the list is \(1, 2\), a tuple(.|\n)*as a dict"),
        ([{"a": 1}, None], "Row 2 of the list is None"),
        ({"a": [1, 2], "b": [1]}, "'a' has 2 values, and 'b' 1"),
        ({"a": 3}, "'a' is 3, a int"),
        ({"a": "abc"}, "'a' is 'abc', a str"),
        (
            {"a": np.zeros((2, 2))},
            r"'a' has the shape \(2, 2\)(.|\n)*a name of its own",
        ),
        ({"a": np.float64(3)}, r"'a' has the shape \(\)"),
        ({"a": [1j, 2]}, "'a' cannot be read: (.|\n)*astype"),
        ({"a": np.array([1j])}, "'a' cannot be read"),
        ({"a": [Fraction(1, 2), 3]}, "'a' cannot be read"),
        ({"a": ["\ud800"]}, "'a' cannot be read: UnicodeEncodeError"),
        ({"a": torch.zeros(2, dtype=torch.bfloat16)}, "'a' cannot be read"),
        (pd.DataFrame({"a": [[1], 2]}), "'a' cannot be read"),
        (pl.DataFrame({"a": pl.Series([1], dtype=pl.Int128)}), "'a' cannot be read"),
        (collected(pl.DataFrame({"a": ["x"]})), "The lazy frame cannot be read"),
    ],
)
def test_what_is_no_table_is_refused_by_name(data, message):
    with pytest.raises(DataError, match=message):
        source = source_of_frame(data)
        for name in source.names:
            source.take(name)


WORDS = st.sampled_from(["u", "v v", "Köln", "x,y", 'quoted "w"', "NA", "", None])
DATES = st.dates(datetime.date(1900, 1, 1), datetime.date(2100, 1, 1))
MOMENTS = st.datetimes(datetime.datetime(1900, 1, 1), datetime.datetime(2100, 1, 1))
VALUES = {
    "whole": st.integers(-(2**40), 2**40),
    "few": st.integers(1, 3) | st.none(),
    "number": st.floats(-1e6, 1e6) | st.none(),
    "flag": st.booleans() | st.none(),
    "word": WORDS,
    "day": DATES | st.none(),
    "moment": MOMENTS.map(lambda moment: moment.replace(microsecond=0)) | st.none(),
}


def written_of_pandas(frame, folder):
    frame = pd.DataFrame(frame)
    frame.to_csv(folder / "a.csv", index=False)
    frame.to_parquet(folder / "a.parquet", index=False)
    return frame


def written_of_polars(frame, folder):
    frame = pl.DataFrame(frame)
    frame.write_csv(folder / "a.csv")
    frame.write_parquet(folder / "a.parquet")
    return frame


@pytest.mark.parametrize("written", [written_of_pandas, written_of_polars])
@settings(max_examples=15)
@given(data=st.data(), names=st.sets(st.sampled_from(sorted(VALUES)), min_size=1))
def test_a_value_means_the_same_in_a_frame_and_in_a_file(
    written, data, names, tmp_path_factory
):
    num_rows = 12
    rows = st.lists(
        st.tuples(*(VALUES[name] for name in sorted(names))), min_size=4, max_size=4
    )
    different = data.draw(rows)
    columns = {
        name: [different[row * row % 7 % 4][place] for row in range(num_rows)]
        for place, name in enumerate(sorted(names))
    }
    folder = tmp_path_factory.mktemp("written")
    frame = written({**columns, "y": [n**0.5 for n in range(num_rows)]}, folder)
    files = folder / "a.csv", folder / "a.parquet"
    try:
        expected = read_table(frame, target="y")
    except DataError as error:
        for file in files:
            with pytest.raises(type(error)):
                read_table(file, target="y")
        return
    for file in files:
        assert_same(read_table(file, target="y"), expected)
        assert_same(read_table(file, schema=expected.schema), expected)


CODES = [3, 1, 2, 3] * 10
CATEGORICAL = {
    "pandas": lambda: pd.DataFrame({"a": CODES}).astype("category"),
    "missing": lambda: pd.DataFrame({"a": pd.Categorical([*CODES[:39], None])}),
    "dict": lambda: {"a": pd.Series(CODES, dtype="category")},
}


@pytest.mark.parametrize("way", CATEGORICAL)
def test_a_type_says_that_numbers_are_categories(way, tmp_path):
    frame, y = CATEGORICAL[way](), np.arange(40.0)
    frame["y"] = y
    table = read_table(frame, target="y")
    assert table.schema.columns[0].vocabulary == ("1", "2", "3")
    expected = table.x["categories"]
    (tmp_path / "a.csv").write_text("a\n" + "".join(f"{code}\n" for code in CODES))
    pa.parquet.write_table(pa.table({"a": CODES}), tmp_path / "a.parquet")
    for source in (tmp_path / "a.csv", tmp_path / "a.parquet", {"a": CODES}):
        codes = read_table(source, schema=table.schema).x["categories"]
        assert torch.equal(codes[:39], expected[:39])
    classes = {"x": y, "y": frame["a"]}
    schema = read_table(classes, target="y", drop_missing_target=True).schema
    assert (schema.target.task, schema.labels) == ("classification", (1, 2, 3))


def test_texts_that_are_categories_are_read_as_texts():
    texts = [f"{code},5" for code in CODES]
    frames = pd.DataFrame({"a": texts}).astype("category"), {"a": texts}
    columns = ({"a": frame["a"], "y": range(40)} for frame in frames)
    some, others = (read_table(each, target="y") for each in columns)
    assert_same(some, others)
