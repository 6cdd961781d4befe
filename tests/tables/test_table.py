"""From files and data frames to tensors."""

import datetime
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gradatim.errors import DataError, FileReadError, SchemaError
from gradatim.tables.files.formats import open_file
from gradatim.tables.saved.model_files import read_schema, schema_text
from gradatim.tables.schema.values_to_codes import NO_TIME
from gradatim.tables.table import Table, read_table

NUM_ROWS = 500


def mixed(num_rows=NUM_ROWS):
    """A table with a column of each sort, and gaps in most."""
    random = np.random.default_rng(0)
    gaps = random.random(num_rows) < 0.1
    start = datetime.datetime(2023, 3, 1, 12)
    hours = random.integers(0, 9_000, num_rows).tolist()
    moments = [start + datetime.timedelta(hours=h) for h in hours]
    return pa.table(
        {
            "size": pa.array(random.normal(size=num_rows), mask=gaps),
            "rooms": pa.array(random.integers(1, 9, num_rows)),
            "city": pa.array(
                np.array(["Köln", "Ulm", "Bern, CH"], object)[
                    random.integers(0, 3, num_rows)
                ],
                mask=gaps,
            ),
            "new": pa.array(random.random(num_rows) < 0.3, mask=gaps),
            "sold": pa.array(moments, pa.timestamp("s")),
            "built": pa.array([m.date() for m in moments], mask=gaps),
            "stamp": pa.array(1_700_000_000 + random.integers(0, 10**6, num_rows)),
            "name": pa.array([f"house {n}" for n in range(num_rows)]),
            "price": pa.array(random.normal(size=num_rows) * 1e5),
        }
    )


def stream(path, schema, batch_rows=65_536):
    """Read a file to predict, batch by batch, as ``predict_file`` does."""
    file = open_file(path, missing=schema.missing_values)
    extra = schema.check_names(file.names)
    names = [column.name for column in schema.features]
    for batch in file.batches(schema.types, names, batch_rows=batch_rows):
        x, notices = schema.encode(batch)
        notices.extra = extra
        yield Table(schema=schema, x=x, notices=notices)


def assert_same(some, others):
    assert some.keys() == others.keys()
    for name in some:
        torch.testing.assert_close(
            some[name], others[name], rtol=0, atol=0, equal_nan=True
        )


@pytest.fixture
def paths(tmp_path):
    table = mixed()
    pyarrow.csv.write_csv(table, tmp_path / "a.csv")
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=70)
    return [tmp_path / "a.csv", tmp_path / "a.parquet"]


def test_what_a_table_holds(paths):
    table = read_table(paths[0], target="price")
    schema = table.schema
    assert [c.name for c in schema.group("numbers")] == ["size", "rooms", "stamp"]
    assert [c.name for c in schema.group("categories")] == ["city", "new"]
    assert [c.name for c in schema.group("times")] == ["sold", "built"]
    assert table.x["numbers"].dtype == torch.float32
    assert table.x["categories"].dtype == table.x["times"].dtype == torch.int64
    assert table.x["numbers"].shape == (NUM_ROWS, 3)
    assert table.x["numbers"].is_contiguous()
    assert len(table) == table.num_rows == NUM_ROWS
    expected = mixed()
    sizes = expected["size"].to_numpy().astype(np.float32)
    assert np.array_equal(table.x["numbers"][:, 0].numpy(), sizes, equal_nan=True)
    stamps = expected["stamp"].to_numpy() - schema.group("numbers")[2].origin
    assert table.x["numbers"][:, 2].tolist() == stamps.tolist()
    words = [None, "unseen", *schema.group("categories")[0].vocabulary]
    cities = [words[code] for code in table.x["categories"][:, 0].tolist()]
    assert cities == expected["city"].to_pylist()
    flags = [[None, "unseen", False, True][c] for c in table.x["categories"][:, 1]]
    assert flags == expected["new"].to_pylist()
    origin, since = schema.group("times")[0].origin, table.x["times"][:, 0]
    epoch = datetime.datetime(1970, 1, 1)
    moments = [
        epoch + datetime.timedelta(seconds=origin + int(seconds)) for seconds in since
    ]
    assert moments == expected["sold"].to_pylist()
    assert (
        (table.x["times"][:, 1] == NO_TIME).numpy()
        == expected["built"].is_null().to_numpy()
    ).all()
    assert np.array_equal(table.y.numpy(), expected["price"].to_numpy().astype("f4"))


def test_every_source_gives_the_same_tensors(paths):
    table = mixed()
    expected = read_table(table, target="price")
    for source in (*paths, str(paths[0]), table.to_pandas(), table.to_reader()):
        found = read_table(source, target="price")
        assert_same(found.x, expected.x)
        assert torch.equal(found.y, expected.y)
        assert found.schema.labels == expected.schema.labels
    for source in (*paths, table.to_pandas(), table.slice(0, 7)):
        again = read_table(source, schema=expected.schema)
        rows = torch.arange(len(again))
        assert_same(again.x, expected.select(rows).x)
        assert torch.equal(again.y, expected.y[: len(again)])


@pytest.mark.parametrize("batch_rows", [7, 65_536])
def test_streaming_gives_the_same_tensors(paths, batch_rows):
    expected = read_table(mixed(), target="price")
    for path in paths:
        tables = list(stream(path, expected.schema, batch_rows))
        assert max(len(table) for table in tables) <= batch_rows
        assert all(table.y is None for table in tables)
        x = {k: torch.cat([t.x[k] for t in tables]) for k in expected.x}
        assert_same(x, expected.x)
        assert tables[0].notices.extra == ()


@given(order=st.permutations(range(9)))
def test_the_order_of_columns_does_not_matter(order):
    table = mixed(50)
    expected = read_table(table, target="price")
    names = [table.column_names[place] for place in order]
    assert_same(read_table(table.select(names), schema=expected.schema).x, expected.x)


def test_pandas_frames_with_their_own_missing_values():
    frame = pd.DataFrame(
        {
            "a": [1.5, np.nan, None, 4.0],
            "b": ["x", None, "x", np.nan],
            "c": pd.Categorical(["u", "v", None, "u"]),
            "d": pd.to_datetime(["2024-01-05", None, "2024-03-01", "2024-02-01"]),
            "e": pd.array([1, None, 3, 4], dtype="Int64"),
            "f": pd.array([True, None, False, True], dtype="boolean"),
            "y": [1, 2, 3, 5],
        }
    )
    table = read_table(frame, target="y")
    assert table.x["numbers"].isnan().tolist() == [
        [False, False],
        [True, True],
        [True, False],
        [False, False],
    ]
    assert table.x["categories"].tolist() == [
        [2, 2, 3],
        [0, 3, 0],
        [2, 0, 2],
        [0, 2, 3],
    ]
    assert (table.x["times"] == NO_TIME).tolist() == [[False], [True], [False], [False]]
    assert table.notices.missing == {"a": 2, "b": 2, "c": 1, "d": 1, "e": 1, "f": 1}
    frame.columns = ["a", "b", "c", "d", "e", "a", "y"]
    with pytest.raises(FileReadError, match="more than one column is named 'a'"):
        read_table(frame, target="y")
    table = pa.table([[1], [2], [3]], names=["a", "a", "y"])
    with pytest.raises(FileReadError, match="more than one column is named 'a'"):
        read_table(table, target="y")


def test_times_with_a_zone_are_those_of_its_clock():
    utc = [datetime.datetime(2024, 1, 1, 23, tzinfo=datetime.UTC)]
    utc += [datetime.datetime(2024, 7, 1, 23, tzinfo=datetime.UTC)]
    values = pa.array(utc, pa.timestamp("us", tz="Europe/Berlin"))
    table = pa.table({"t": values, "y": [1.0, 2.0]})
    schema = read_table(table, target="y").schema
    column = schema.columns[0]
    assert (
        column.origin
        == datetime.datetime(2024, 1, 2, 0, tzinfo=datetime.UTC).timestamp()
    )
    expected = [0, (182 * 24 + 1) * 3_600]  # summer time: one hour more
    for zone, unit in (("Europe/Berlin", "us"), ("UTC", "ns"), ("Asia/Tokyo", "s")):
        other = pa.table({"t": values.cast(pa.timestamp(unit, tz=zone))})
        assert schema.encode(other)[0]["times"][:, 0].tolist() == expected
    assert schema.encode(pa.table({"t": pa.nulls(1)}))[0]["times"].tolist() == [
        [NO_TIME]
    ]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_of_other_units_are_rounded_to_the_past(unit):
    table = pa.table({"t": pa.array([-5, 0, 5], pa.timestamp("s")), "y": [1.0, 2, 3]})
    schema = read_table(table, target="y").schema
    fine = pa.array([-1_500_000, 1_500_000], pa.timestamp("us"))
    table = pa.table({"t": fine.cast(pa.timestamp(unit), safe=False)})
    since = schema.encode(table)[0]["times"][:, 0].tolist()
    assert since == ([4, 6] if unit == "s" else [3, 6])


def test_times_too_far_for_their_unit_are_refused():
    table = pa.table({"t": pa.array([0, 7], pa.timestamp("ns")), "y": [1.0, 2.0]})
    schema = read_table(table, target="y").schema
    far = pa.table({"t": pa.array([10**12], pa.timestamp("s"))})
    with pytest.raises(SchemaError, match=r"'t' has times that 64 bits cannot count"):
        schema.encode(far)


def test_rows_without_a_target(tmp_path):
    path = tmp_path / "a.csv"
    rows = ["f,g,y", "1,a,1.5", "2,b,", "4,a,inf", "8,b,NA", "16,a,2.5", "9,b,0.5"]
    path.write_text("\n".join(rows))
    message = r"infinite in 3 of 6 rows \(rows 2, 3, 4, .*\n.*\n.*--drop-missing-target"
    with pytest.raises(DataError, match=message):
        read_table(path, target="y")
    table = read_table(path, target="y", drop_missing_target=True)
    assert table.num_dropped == 3
    assert table.x["numbers"].tolist() == [[1.0], [16.0], [9.0]]
    assert table.y.tolist() == [1.5, 2.5, 0.5]
    assert table.schema.num_rows == 3
    with pytest.raises(DataError, match=message):
        read_table(path, schema=table.schema)
    again = read_table(path, schema=table.schema, drop_missing_target=True)
    assert_same(again.x, table.x)
    assert again.num_dropped == 3
    path.write_text("f,g,y\n1,a,\n2,b,NA\n")
    with pytest.raises(DataError, match="None of the 2 rows has a target 'y'"):
        read_table(path, target="y", drop_missing_target=True)
    with pytest.raises(DataError, match="None of the 2 rows"):
        read_table(path, schema=table.schema, drop_missing_target=True)


def test_a_file_to_predict_needs_no_target_and_may_hold_more(tmp_path):
    schema = read_table(mixed(), target="price").schema
    table = mixed(30).drop(["price", "name"]).append_column("more", [["x"] * 30])
    path = tmp_path / "new.csv"
    pyarrow.csv.write_csv(table, path)
    found = read_table(path, schema=schema)
    assert found.y is None
    assert found.notices.extra == ("more",)
    assert [t.notices.extra for t in stream(path, schema)] == [("more",)]
    pyarrow.csv.write_csv(table.drop(["city", "new"]), path)
    with pytest.raises(SchemaError, match="lacks 2 of 7 columns: 'city', 'new'"):
        read_table(path, schema=schema)
    with pytest.raises(SchemaError, match="lacks 2 of 7 columns: 'city', 'new'"):
        list(stream(path, schema))


def test_a_value_to_predict_from_that_is_no_number_is_told_with_its_line(tmp_path):
    schema = read_table(pa.table({"a": [1, 2, 4], "y": [1.0, 2, 3]}), target="y").schema
    path = tmp_path / "new.csv"
    path.write_text("b,a\n\nx,1\n\n,3.5\ny,many\n")
    message = r"new\.csv, line 6, column 'a': 'many' is not a number"
    with pytest.raises(FileReadError, match=message):
        read_table(path, schema=schema)
    with pytest.raises(FileReadError, match=message):
        list(stream(path, schema))
    path.write_text("b,a\nx,1\n,3.5\n")  # whole numbers in training, fractions now
    assert read_table(path, schema=schema).x["numbers"].tolist() == [[1.0], [3.5]]


def test_unseen_categories_are_counted(tmp_path):
    words = ["a", "b", "c"] * 5
    table = pa.table({"w": words, "y": np.arange(15) / 2})
    schema = read_table(table, target="y").schema
    path = tmp_path / "new.csv"
    path.write_text("w\na\nz\n\nNA\nz\nq\nb\n")
    found = read_table(path, schema=schema)
    assert found.x["categories"][:, 0].tolist() == [2, 1, 0, 1, 1, 3]
    assert found.notices.unseen == {"w": 3}
    assert found.notices.unseen_examples == {"w": ["z", "q"]}
    assert found.notices.missing == {"w": 1}


def test_notices_add_up():
    schema = read_table(mixed(), target="price").schema
    total = None
    for start in range(0, NUM_ROWS, 100):
        _, notices = schema.encode(mixed().slice(start, 100))
        if total is None:
            total = notices
        else:
            total.add(notices)
    assert total.missing == schema.encode(mixed())[1].missing
    assert total.missing["size"] == mixed()["size"].null_count


def test_selecting_rows():
    table = read_table(mixed(), target="price")
    rows = torch.tensor([3, 1, 3])
    some = table.select(rows)
    assert len(some) == 3
    assert torch.equal(some.y, table.y[rows])
    assert_same(some.x, {name: values[rows] for name, values in table.x.items()})


def test_schema_of_a_file_is_the_same_after_a_round_through_json(paths, tmp_path):
    table = read_table(paths[0], target="price")
    text = schema_text(table.schema)
    again = read_table(paths[0], schema=read_schema(text, tmp_path / "schema.json"))
    assert_same(again.x, table.x)
    assert torch.equal(again.y, table.y)


def test_reading_neither_moves_the_global_generator_nor_imports_pandas(paths):
    state = torch.get_rng_state()
    read_table(paths[0], target="price")
    assert torch.equal(torch.get_rng_state(), state)
    program = (
        "import sys\n"
        "from gradatim.tables.files.formats import open_file\n"
        "from gradatim.tables.table import read_table\n"
        f"table = read_table({str(paths[0])!r}, target='price')\n"
        f"again = read_table({str(paths[1])!r}, schema=table.schema)\n"
        f"for batch in open_file({str(paths[1])!r}).batches(table.schema.types):\n"
        "    table.schema.encode(batch)\n"
        "sys.exit('pandas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
