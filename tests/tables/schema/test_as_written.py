"""Numbers and dates as people write them: read, said, or refused with what to do."""

import csv
import datetime
import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gradatim.errors import ConfigError, DataError, SchemaError
from gradatim.tables.schema.date_forms import (
    DATE_FORMS,
    likely_forms,
    pattern_of,
    read_moments,
)
from gradatim.tables.schema.schema import Schema
from gradatim.tables.schema.spelling import Spelling, marks_of
from gradatim.tables.schema.values_to_codes import NO_TIME
from gradatim.tables.table import inspect_table, read_table

ROWS = 40


def table_of(values, *, name="f"):
    """The values again and again, beside a plain column and a target."""
    noise = np.random.default_rng(1)
    rows = [values[row % len(values)] for row in range(ROWS)]
    plain, y = noise.normal(size=(2, ROWS))
    return pa.table({name: rows, "plain": plain, "y": y})


def read(values, **options):
    return read_table(table_of(values), target="y", **options)


def numbers_of(table, name="f"):
    names = [column.name for column in table.schema.group("numbers")]
    return table.x["numbers"][:, names.index(name)].tolist()


NUMBERS = {
    "decimal comma": (["51,3", "-48,75", "7"], [51.3, -48.75, 7]),
    "English thousands": (["1,234.50", "12,000", "3.5"], [1234.5, 12000, 3.5]),
    "thousands alone": (["101,300", "93,900", "850"], [101300, 93900, 850]),
    "German thousands": (["1.234,50", "12.000,1", "3"], [1234.5, 12000.1, 3]),
    "German millions": (["1.234.567", "2.000.000", "5"], [1234567, 2e6, 5]),
    "Indian groups": (["12,34,567", "1,000", "9"], [1234567, 1000, 9]),
    "spaces": (["1 234", "12\u00a0345,5", "9"], [1234, 12345.5, 9]),
    "Swiss": (["1'234.5", "2\u2019000", "3"], [1234.5, 2000, 3]),
    "dollars": (["$5.50", "$1,200.00", "-$3"], [5.5, 1200, -3]),
    "euros": (["\u20ac 51.30", "7 \u20ac", "8.5\u20ac"], [51.3, 7, 8.5]),
    "a code of money": (["USD 5", "USD 7.25", "8"], [5, 7.25, 8]),
    "percent": (["25.6%", "3 %", "-1%"], [25.6, 3, -1]),
    "brackets": (["(3.2)", "5", "$(1.50)"], [-3.2, 5, -1.5]),
    "typesetters' minus": (["\u22125", "3", "\u22122.5"], [-5, 3, -2.5]),
    "minus behind": (["5-", "3.5", "2"], [-5, 3.5, 2]),
    "a unit": (["12 kg", "7.5kg", "3 KG."], [12, 7.5, 3]),
    "a plural": (["1 year", "2 years", "3 Years"], [1, 2, 3]),
    "a unit of two": (["90 km/h", "120km/h", "7 km/h"], [90, 120, 7]),
    "one's own unit": (["3 rooms", "4 rooms", "5 rooms"], [3, 4, 5]),
    "units of area": (["12 m2", "7.5 m2", "9 m2"], [12, 7.5, 9]),
    "words for missing": (
        ["1.5", "?", "2", "3", "-", "."],
        [1.5, None, 2, 3, None, None],
    ),
    "spreadsheet errors": (["1", "#DIV/0!", "2", "3"], [1, None, 2, 3]),
    "blanks": (["1", " ", "2", "unknown", "n.a."], [1, None, 2, None, None]),
    "signs and powers": (["+1e3", "?", "2.5E-1", "4"], [1000, None, 0.25, 4]),
    "plain texts": (["1.5", " 2", "3"], [1.5, 2, 3]),
}


@pytest.mark.parametrize("case", NUMBERS)
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_numbers_as_people_write_them(case, separator, tmp_path):
    values, expected = NUMBERS[case]
    frame = table_of(values).to_pandas()
    found = numbers_of(read_table(frame, target="y"))
    for number, wanted in zip(found, expected * ROWS, strict=False):
        if wanted is None:
            assert math.isnan(number)
        else:
            assert number == pytest.approx(wanted)
    path = tmp_path / "a.csv"
    frame.to_csv(path, sep=separator, index=False, quoting=csv.QUOTE_MINIMAL)
    of_file = read_table(path, target="y")
    assert np.array_equal(numbers_of(of_file), found, equal_nan=True)
    again = Schema.from_dict(of_file.schema.to_dict())
    assert again == of_file.schema
    for source in (path, frame):
        assert np.array_equal(
            numbers_of(read_table(source, schema=again)), found, equal_nan=True
        )


DATES = {
    "dotted": (["31.12.2023", "1.2.2023"], ["2023-12-31", "2023-02-01"]),
    "short years": (["31.12.99", "01.02.23"], ["1999-12-31", "2023-02-01"]),
    "American": (["12/31/2023", "01/02/2023"], ["2023-12-31", "2023-01-02"]),
    "British": (["31/12/2023", "01/02/2023"], ["2023-12-31", "2023-02-01"]),
    "year first": (["2012/01/31", "2012/02/01"], ["2012-01-31", "2012-02-01"]),
    "names": (["Aug 04, 2023", "Sept. 1, 2023"], ["2023-08-04", "2023-09-01"]),
    "whole names": (["4 August 2023", "1 May 2023"], ["2023-08-04", "2023-05-01"]),
    "names within": (["Jan-1-1995", "Sep-30-2001"], ["1995-01-01", "2001-09-30"]),
    "names without a gap": (["01JAN1995", "30SEP2001"], ["1995-01-01", "2001-09-30"]),
    "quarters": (["1974Q1", "1974Q4"], ["1974-01-01", "1974-10-01"]),
    "months": (["1974-03", "1974-11"], ["1974-03-01", "1974-11-01"]),
    "times": (
        ["31.12.2023 14:05", "1.1.2024 3:05 PM"],
        ["2023-12-31T14:05", "2024-01-01T15:05"],
    ),
    "zones": (
        ["2023-01-01T00:00:00+01:00", "2023-01-02 00:00:00Z"],
        ["2022-12-31T23:00", "2023-01-02T00:00"],
    ),
    "plain texts": (["2023-01-01", "2023-01-02"], ["2023-01-01", "2023-01-02"]),
    "a word for missing": (
        ["2023-01-01", "2023-01-05", "?"],
        ["2023-01-01", "2023-01-05", None],
    ),
}


@pytest.mark.parametrize("case", DATES)
def test_dates_as_people_write_them(case, tmp_path):
    values, expected = DATES[case]
    frame = table_of(values).to_pandas()
    table = read_table(frame, target="y")
    (column,) = table.schema.group("times")
    times = table.x["times"][:, 0].tolist()
    for time, wanted in zip(times, expected, strict=False):
        if wanted is None:
            assert time == NO_TIME
        else:
            moment = datetime.datetime.fromisoformat(wanted).replace(
                tzinfo=datetime.UTC
            )
            assert time + column.origin == moment.timestamp()
    path = tmp_path / "a.csv"
    frame.to_csv(path, index=False)
    again = Schema.from_dict(read_table(path, target="y").schema.to_dict())
    for source in (path, frame):
        assert read_table(source, schema=again).x["times"][:, 0].tolist() == times


TEXT = {
    "codes with a letter": [f"s{n}" for n in range(9)],
    "post codes": ["00501", "10001", "02134"],
    "names of 30 digits": [str(10**30 + n) for n in range(5)],
    "classes of bounds": ["<=50K", ">50K"],
    "streets": ["12 Main Street", "9 Oak Road", "7 High Street"],
    "addresses of machines": ["10.0.0.1", "10.0.0.2"],
    "a digit among names": ["0"] * 38 + ["Ann", "Bob"],
    "half numbers": ["1", "2", "3", "a", "b", "c"],
    "films": ["12 Angry Men", "9 to 5", "300"],
    "words for missing alone": ["?", "-", "yes"],
    "days that there are not": ["31.02.2023", "30.02.2023", "99.99.2023"],
}


@pytest.mark.parametrize("case", TEXT)
def test_ordinary_text_stays_text(case):
    column = read(TEXT[case]).schema.columns[0]
    assert column.kind == "category"
    assert column.spelling is None


DOUBTFUL = {
    "two units": (
        ["12 kg", "700 g", "3 kg"],
        r"different units: .* kg and .* g",
        "--drop f",
    ),
    "two currencies": (
        ["$5", "\u20ac6", "$7"],
        r"different units: .* \$ and .* \u20ac",
        "--drop f",
    ),
    "percent and none": (["5%", "6", "7%"], r"no unit and .* with %", "--category f"),
    "thousands by letter": (["5K", "3M", "2K"], "different units", "--category f"),
    "day or month": (
        ["01/02/2023", "03/04/2023"],
        "at most 12 in every",
        "f=%d/%m/%Y or",
    ),
    "day and month": (
        ["31/12/2023", "12/31/2023"],
        "of two forms",
        "--date f=%m/%d/%Y",
    ),
}


@pytest.mark.parametrize("case", DOUBTFUL)
def test_what_could_mean_two_things_is_refused_with_the_way_out(case):
    values, what, way_out = DOUBTFUL[case]
    with pytest.raises(DataError, match=rf"The column 'f' (.|\n)*{what}") as caught:
        read(values)
    assert way_out in str(caught.value)
    assert not read(values, drop=["f"]).schema.columns[0].used
    assert read(values, category=["f"]).schema.columns[0].kind == "category"
    schema, _ = inspect_table(table_of(values))  # only to look
    assert not schema.columns[0].used


def test_a_form_of_dates_settles_day_and_month():
    values = ["01/02/2023", "03/04/2023"]
    origins = {
        form: read(values, date={"f": form}).schema.columns[0].seen[:10]
        for form in ("%d/%m/%Y", "%m/%d/%Y")
    }
    assert origins == {"%d/%m/%Y": "2023-02-01", "%m/%d/%Y": "2023-01-02"}


STRAYS = {
    "a stray word": ["1.5", "2.25", "3", "7.125"] * 9 + ["oops", "?", "4", "5.5"],
    "a stray in a comma column": ["1,5", "2,25", "3,0"] * 13 + ["many"],
    "a point in a comma column": ["1,5", "2,25", "3,0"] * 13 + ["4.5"],
    "one that settles the mark": ["1,234", "2,345"] * 19 + ["1,5", "2"],
    "one that is money": ["1.5", "2.25", "3"] * 13 + ["$4"],
    "one that is a bound": ["1.5", "2.25", "3"] * 13 + [">4"],
    "one that is a name": ["10115", "20095", "80331"] * 13 + ["01067"],
    "too many words": ["1.5", "2.25", "3", "7"] * 8 + ["a", "b", "c", "d", "e"],
    "whole money": ["$1,200", "$900", "$12,000"] * 13 + ["?"],
}


@pytest.mark.parametrize("case", [*NUMBERS, *TEXT, *STRAYS])
def test_long_columns_are_read_as_short_ones_are(case, monkeypatch):
    values = {**{k: v[0] for k, v in NUMBERS.items()}, **TEXT, **STRAYS}[case]
    table = table_of(values)
    slow, slowly_named = (found := read_table(table, target="y")), found.notices.lines()
    for module in ("understand", "typed_values", "quick_numbers"):
        monkeypatch.setattr(f"gradatim.tables.schema.{module}.LONG_ROWS", 10)
    quick = read_table(table, target="y")
    assert quick.schema == slow.schema
    assert quick.notices.lines() == slowly_named
    for again in (quick, read_table(table, schema=slow.schema)):
        assert again.x.keys() == slow.x.keys()
        for name, codes in slow.x.items():
            assert torch.equal(again.x[name].nan_to_num(-7), codes.nan_to_num(-7))


@pytest.mark.parametrize("separator", [",", ";"])
def test_a_stray_value_is_missing_and_named_with_its_line(separator, tmp_path):
    frame = table_of([f"{n}.5" for n in range(20)]).to_pandas()
    frame.loc[7, "f"] = "eighty"
    frame.loc[30, "f"] = "12 o'clock"
    frame["note"] = "two\nlines"
    path = tmp_path / "a.csv"
    frame.to_csv(path, sep=separator, index=False)
    table = read_table(path, target="y")
    (line,) = table.notices.lines()
    # The header has one line, each row two.
    assert line.startswith("f: 'eighty' (line 16), \"12 o'clock\" (line 62) taken as")
    assert np.isnan(numbers_of(table)).tolist() == [
        row in (7, 30) for row in range(ROWS)
    ]
    (line,) = read_table(frame, target="y").notices.lines()
    assert line.startswith("f: 'eighty' (row 8), \"12 o'clock\" (row 31) taken")
    again = read_table(path, schema=table.schema)
    assert again.notices.lines() == table.notices.lines()


def test_strays_are_counted_among_the_rows_of_the_file_where_rows_are_left_out():
    frame = table_of([f"{n}.5" for n in range(20)]).to_pandas()
    frame.loc[[0, 1], "y"] = None
    frame.loc[7, "f"] = "eighty"
    table = read_table(frame, target="y", drop_missing_target=True)
    assert "(row 8)" in table.notices.lines()[0]
    again = read_table(frame, schema=table.schema, drop_missing_target=True)
    assert again.notices.lines() == table.notices.lines()


def test_a_stray_target_is_refused_with_its_line(tmp_path):
    frame = table_of([1.0, 2.5, 4.0]).to_pandas()
    frame["y"] = [f"{n},25" for n in range(ROWS)]
    frame.loc[3, "y"] = "many"
    path = tmp_path / "a.csv"
    frame.to_csv(path, index=False)
    with pytest.raises(
        DataError, match=r"'y' has the value 'many' \(line 5\)"
    ) as caught:
        read_table(path, target="y")
    assert "--missing 'y=many' --drop-missing-target" in str(caught.value)
    table = read_table(path, target="y", missing=["y=many"], drop_missing_target=True)
    assert table.num_dropped == 1
    assert table.y[:4].tolist() == [0.25, 1.25, 2.25, 4.25]
    again = read_table(path, schema=table.schema, drop_missing_target=True)
    assert again.y.tolist() == table.y.tolist()
    frame.loc[3, "y"] = ">60"
    with pytest.raises(DataError, match=r"'>60' \(row 4\), which is a bound"):
        read_table(frame, target="y")


def test_names_of_classes_keep_their_words():
    frame = table_of([1.0, 2.5, 4.0, 8.0]).to_pandas()
    frame["y"] = [f"{1 + row % 3} stars" for row in range(ROWS)]
    assert read_table(frame, target="y").schema.labels == (
        "1 stars",
        "2 stars",
        "3 stars",
    )
    frame["y"] = [f"{row} kg" for row in range(ROWS)]
    assert read_table(frame, target="y").schema.target.task == "regression"


def test_bounds_are_numbers_with_a_flag():
    values = ["12", ">60", "30.5", "<5", "40", "60+", "8", "9"]
    table = read(values)
    assert numbers_of(table)[:8] == [12, 60, 30.5, 5, 40, 60, 8, 9]
    flags = [0, 1, 0, -1, 0, 1, 0, 0]
    assert numbers_of(table, "f is a bound")[:8] == flags
    again = Schema.from_dict(table.schema.to_dict())
    new = pa.table({"f": ["<7", "3"], "plain": [0.0, 0.0]})
    assert again.encode(new)[0]["numbers"][:, :2].tolist() == [[7, -1], [3, 0]]
    new = pa.table({"f": [2.0, 3.0], "plain": [0.0, 0.0]})  # no texts at all
    assert again.encode(new)[0]["numbers"][:, :2].tolist() == [[2, 0], [3, 0]]
    without = read(["1,5", "2,5", "3"]).schema
    _, notices = without.encode(pa.table({"f": [">3"], "plain": [0.0]}))
    assert notices.strays == {"f": 1}


def test_new_rows_are_read_as_the_training_file_was():
    schema = read(["1.234,5", "2,25", "3", "?"]).schema
    new = pa.table({"f": ["7.000,5", "1.5", "?", "12,5"], "plain": [0.0] * 4})
    x, notices = schema.encode(new)
    assert x["numbers"][[0, 3], 0].tolist() == [7000.5, 12.5]
    assert notices.first_strays == {"f": [(1, "1.5")]}
    english = pa.table({"f": ["1.5", "2.25"] * 20, "plain": [0.0] * ROWS})
    with pytest.raises(
        SchemaError, match=r"'f', 40 of 40 values, such as '1\.5', is not"
    ):
        schema.encode(english)
    schema = read(["31.12.2023", "1.2.2023"]).schema
    x, notices = schema.encode(pa.table({"f": ["12/31/2023"], "plain": [0.0]}))
    assert x["times"].tolist() == [[NO_TIME]]
    assert notices.strays == {"f": 1}


def test_what_a_point_means_is_said_where_it_may_mean_thousands(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("f;y\n" + "1.234;1,5\n850;2,5\n2.500;0,5\n" * 9)
    table = read_table(path, target="y")
    assert numbers_of(table)[:3] == pytest.approx([1.234, 850, 2.5])
    reason = table.schema.columns[0].reason
    assert reason == "'1.234' is 1.234; if it is 1234: --number f=1.234,5"
    table = read_table(path, target="y", number=["f=1.234,5"])
    assert numbers_of(table)[:3] == [1234, 850, 2500]
    path.write_text("f;y\n" + "1.234;1,5\n850.25;2,5\n0.500;0,5\n" * 9)
    assert read_table(path, target="y").schema.columns[0].reason == ""
    reason = read(["101,300", "850"]).schema.columns[0].reason
    assert reason == "'101,300' is 101300; if it is 101.3: --number f=1,5"
    assert numbers_of(read(["101,300", "850"], number=["f=1,5"]))[0] == pytest.approx(
        101.3
    )


@given(
    numbers=st.lists(st.floats(-1e6, 1e6).map(lambda v: round(v, 2)), min_size=1),
    spelling=st.sampled_from(
        [
            ("{:,.2f}", ".", ","),
            ("{:.2f}", ",", ""),
            ("{:,.2f} kg", ",", "."),
            ("$ {:,.2f}", ".", " "),
        ]
    ),
)
def test_numbers_come_back_as_they_were_written(numbers, spelling):
    form, decimal, thousands = spelling
    swap = {".": decimal, ",": thousands}
    numbers = [*numbers, 1.25, 2.75, 9.99]
    values = [
        "".join(swap.get(each, each) for each in form.format(number))
        for number in numbers
    ]
    found = numbers_of(read_table(table_of(values), target="y", keep=["f"]))
    shown = (numbers * ROWS)[:ROWS]
    assert found == np.array(shown, np.float32).tolist()


@given(day=st.dates(datetime.date(1969, 1, 1), datetime.date(2068, 12, 31)))
def test_every_form_reads_what_python_writes(day):
    with_day = [form for form in DATE_FORMS if "%d" in form]
    for form in (*with_day, "%j/%Y", "%A, %d %B %Y", "%Y%m%d"):
        text = day.strftime(form)
        assert form not in with_day or form in likely_forms([text])
        moments = read_moments(pa.array([text]), form)
        assert moments.values(moments.fits)[0].as_py().date() == day


def test_forms_that_cannot_be_read_by_are_refused():
    for form, what in (("%d.%m", "no year"), ("%Y %K", "%K"), ("%Y %Y", "twice")):
        with pytest.raises(ConfigError, match=rf"{form}' of dates has .*{what}"):
            pattern_of(form)
    for example in ("many", "1.2,3.4,5", ""):
        with pytest.raises(ConfigError, match="no number that shows the marks"):
            marks_of(example)


def test_only_what_says_something_is_stored():
    plain = read([1.5, 2.5]).schema.to_dict()
    assert not {"spelling", "missing", "of"} & set(plain["columns"][0])
    stored = read(["1,5 kg", "2,5 kg"]).schema.to_dict()["columns"][0]
    assert stored["spelling"] == {"decimal": ",", "unit": "kg"}
    assert read(["1.5", "2", "3", "?"]).schema.columns[0].spelling == Spelling()


@pytest.mark.parametrize(
    ("spelling", "message"),
    [
        ({"decimal": "x"}, "decimal = 'x'"),
        ({"decimal": ",", "thousands": ","}, "the spelling"),
        ({"date": "%K"}, "the form '%K'"),
        ({"date": "(?P<year>a+)+$"}, "the form"),
        ({"unit": 5}, "unit = 5"),
        ({"order": ["a", "a"]}, "the spelling"),
        ({"speed": 3}, "a spelling with"),
    ],
)
def test_damaged_spellings_are_refused(spelling, message):
    data = read(["1,5 kg", "2,5 kg"]).schema.to_dict()
    data["columns"][0]["spelling"] = spelling
    with pytest.raises(SchemaError, match=message):
        Schema.from_dict(data)


def test_pandas_categories_of_numbers_are_read_alike():
    frame = table_of(["1,5", "2,5", "3"]).to_pandas()
    as_category = frame.assign(f=pd.Categorical(frame["f"]))
    both = [numbers_of(read_table(each, target="y")) for each in (frame, as_category)]
    assert both[0] == both[1]
