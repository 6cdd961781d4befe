"""What the owner of a table says of its columns goes before what is guessed."""

import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

from gradatim.errors import ConfigError, DataError
from gradatim.tables.schema.choices import ColumnChoices
from gradatim.tables.schema.schema import Schema
from gradatim.tables.table import read_table

ROWS = 60


@pytest.fixture(params=["frame", "csv"])
def read(request, tmp_path):
    """Read a table with a column ``f`` from a frame, and from a file."""

    def read(values, **options):
        noise = np.random.default_rng(1).normal(size=(2, ROWS))
        rows = [values[row % len(values)] for row in range(ROWS)]
        frame = pd.DataFrame({"f": rows, "g": noise[0], "y": noise[1]})
        if request.param == "frame":
            return read_table(frame, target="y", **options)
        frame.to_csv(tmp_path / "a.csv", index=False)
        return read_table(tmp_path / "a.csv", target="y", **options)

    return read


def new_rows(table, values):
    """The codes of column ``f`` for new values, and the notices of them."""
    rows = pd.DataFrame({"f": values, "g": 0.5})
    read = read_table(rows, schema=Schema.from_dict(table.schema.to_dict()))
    column = table.schema.columns[0]
    place = [c.name for c in table.schema.group(column.group)].index("f")
    return read.x[column.group][:, place].tolist(), read.notices


def test_numbers_are_names(read):
    table = read([7, 25, 1118], category=["f"])
    column = table.schema.columns[0]
    assert (column.kind, column.vocabulary) == ("category", ("1118", "25", "7"))
    assert table.x["categories"][:3, 0].tolist() == [4, 3, 2]
    for values in ([25, 8], [25.0, 8.0], ["25", "8"], ["25.0", "8"]):
        codes, notices = new_rows(table, values)
        assert codes == [3, 1]
        assert notices.unseen == {"f": 1}
    assert read([7.5, 8.0], category="f").schema.columns[0].vocabulary == ("7.5", "8")


def test_names_are_numbers(read):
    column = read(["00501", "10001", "02134"], number=["f"]).schema.columns[0]
    assert (column.kind, column.seen) == ("number", "501 to 10,001")
    table = read(["12 kg", "5", "a", "b"], number={"f": None})
    assert table.schema.columns[0].num_missing == ROWS / 2
    assert table.notices.strays == {"f": ROWS // 2}
    column = read(list(range(ROWS)), number=["f"]).schema.columns[0]
    assert column.used and column.reason == ""  # it counts the rows
    with pytest.raises(DataError, match=r"'f' is said to be numbers, but holds 'a'"):
        read(["a", "b", "1"], number=["f"])


def test_numbers_are_dates(read):
    day = datetime.datetime(2023, 1, 7, tzinfo=datetime.UTC).timestamp()
    for said in (["f"], ["f=%Y%m%d"], {"f": "%Y%m%d"}):
        table = read([20230107, 20230209], date=said)
        column = table.schema.columns[0]
        assert (column.kind, column.origin) == ("datetime", day)
        codes, _ = new_rows(table, [20230108])
        assert codes == [86_400]
    assert (
        read([1999, 2001], date=["f"]).schema.columns[0].seen.startswith("1999-01-01")
    )
    assert "--date f=%Y%m%d" in read([20230107, 20230209]).schema.columns[0].reason
    with pytest.raises(DataError, match=r"'f' is said to be dates(.|\n)*--date f=%d"):
        read(["a", "b", "2023-01-01"], date=["f"])


def test_words_have_an_order(read):
    table = read(["low", "mid", "high", None], ordered=["f=low,mid,high"])
    numbers = table.x["numbers"][:4, 0]
    assert numbers[:3].tolist() == [0, 1, 2] and numbers[3].isnan()
    codes, notices = new_rows(table, ["high", "huge", None])
    assert codes[0] == 2
    assert notices.strays == {"f": 1}
    assert read(["none", "low"], ordered={"f": ["none", "low"]}).notices.words == {}
    with pytest.raises(DataError, match=r"'huge' \((row|line) \d\), which is not in"):
        read(["low", "huge"], ordered=["f=low,mid"])


def test_words_and_numbers_stand_for_missing_values(read):
    values = [51.5, -999, 48.75, 56.0]
    assert "if it means that there is no value, --missing f=-999" in (
        read(values).schema.columns[0].reason
    )
    for said in (["-999"], ["f=-999"], {"f": "-999"}, {"f": [-999, 1]}):
        table = read(values, missing=said)
        assert table.schema.columns[0].num_missing == ROWS / 4
        assert table.schema.columns[0].reason == ""
        codes, _ = new_rows(table, [-999, 3])
        assert np.isnan(codes).tolist() == [True, False]
    table = read(["a", "b", "?"], missing=["?"])
    assert table.schema.columns[0].vocabulary == ("a", "b")
    assert new_rows(table, ["?", "b"])[0] == [0, 3]
    assert read(["a", "b", "?"], missing=["g=?"]).schema.columns[0].vocabulary[0] == "?"


def test_identifiers_are_left_out(read):
    column = read([5, 6, 7], id=["f"]).schema.columns[0]
    assert (column.used, column.reason) == (False, "said to be an identifier")


def test_text_is_read_and_missing_text_is_missing(read):
    table = read(["a good word", "bad", None], text=["f"], missing=["bad"])
    column = table.schema.columns[0]
    assert (column.kind, column.used, column.num_missing) == ("text", True, 40)
    ngrams = table.x["texts"]
    assert ngrams.shape == (ROWS, column.num_ngrams)
    assert ngrams.count_nonzero(dim=1)[:3].tolist() == [3 + 2 + 9 + 8, 0, 0]
    new, _ = table.schema.encode(pa.table({"f": ["a good word", "bad"], "g": [0.0, 1]}))
    assert torch.equal(new["texts"], ngrams[:2])
    stored = Schema.from_dict(table.schema.to_dict())
    assert stored == table.schema


def test_what_is_no_text_cannot_be_said_to_be():
    numbers = pd.DataFrame({"f": range(ROWS), "y": range(ROWS)})
    with pytest.raises(DataError, match=r"'f' is said to be text, but holds int64"):
        read_table(numbers, target="y", text=["f"])


def test_codes_are_told_and_measurements_are_not():
    random = np.random.default_rng(0)
    effect = random.normal(size=40)
    store = random.integers(0, 40, 800)
    hour = random.integers(0, 24, 800)
    rooms = random.integers(1, 15, 800)
    y = effect[store] + np.sin(hour / 24 * 6.28) + 0.1 * rooms
    y += random.normal(0, 0.1, 800)
    frame = pd.DataFrame({"store": store * 97, "hour": hour, "rooms": rooms})
    frame["noise"] = random.integers(0, 40, 800)
    frame["y"] = y
    reasons = {c.name: c.reason for c in read_table(frame, target="y").schema.columns}
    assert reasons == {
        "store": "40 values, whose order says little of the target: --category store?",
        "hour": "",
        "rooms": "",
        "noise": "",
    }


def test_numbers_near_the_others_are_not_told():
    for values in ([-99, -98, 0, 50], [95, 97, 99], [9999, 5000, 1]):
        frame = pd.DataFrame({"f": values * 9, "y": np.arange(9.0 * len(values))})
        reason = read_table(frame, target="y", keep=["f"]).schema.columns[0].reason
        assert "stands apart" not in reason


def test_names_may_hold_an_equals_sign():
    choices = ColumnChoices.of(["a", "a=b"], {"date": ["a=b=%Y"], "missing": ["a=b"]})
    assert choices.kinds == {"a=b": ("date", "%Y")}
    assert choices.missing_anywhere == ("a=b",)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"category": ["a"], "number": ["a"]}, "--number a and --category a"),
        ({"date": ["a=%K"]}, "the directive %K"),
        ({"number": ["a=many"]}, "'many' is no number"),
        ({"ordered": ["a"]}, "an order needs two or more"),
        ({"ordered": ["a=x,x"]}, "an order needs two or more"),
        ({"category": ["a=b"]}, "nothing is said behind the name"),
    ],
)
def test_what_cannot_be_said_is_refused(said, message):
    with pytest.raises(ConfigError, match=message):
        ColumnChoices.of(["a", "b"], said)


def test_columns_that_are_not_there_are_refused():
    for said in ({"category": ["stor"]}, {"missing": {"stor": "?"}}):
        with pytest.raises(DataError, match=r"no column 'stor'.*Did you mean 'store'"):
            ColumnChoices.of(["store"], said)


def test_a_target_may_be_said_to_be_a_class_or_a_number(read):
    frame = pd.DataFrame({"x": np.arange(40.0), "y": [1, 2, 3, 4] * 10})
    frame["x"] = np.random.default_rng(0).normal(size=40)
    table = read_table(frame, target="y", category=["y"])
    assert table.schema.labels == ("1", "2", "3", "4")
    again = read_table(frame, schema=Schema.from_dict(table.schema.to_dict()))
    assert torch.equal(again.y, table.y)
    with pytest.raises(DataError, match="'y' is said to be id"):
        read_table(frame, target="y", id=["y"])
