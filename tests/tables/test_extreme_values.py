"""Values at the edge of what numbers and dates can be: right, or named with the row."""

import json
import random
import re
import warnings

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from gradatim.cli.main import run
from gradatim.errors import DataError, SchemaError
from gradatim.tables.features import TableEncoder
from gradatim.tables.table import read_table

ROWS = 120


def numbers(seed=0):
    rng = random.Random(seed)
    return [rng.random() for _ in range(ROWS)]


def read(column, target=None, **options):
    columns = {"a": column, "y": target or numbers()}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return read_table(pa.table(columns), target="y", **options)


@pytest.mark.parametrize("value", [1e300, -1e300, 3e38, -1.8e38])
@pytest.mark.parametrize("options", [{}, {"drop_missing_target": True}])
def test_a_target_beyond_float32_is_named_with_its_row(value, options):
    target = numbers()
    target[50] = value
    if options:
        target[3] = None
    told = re.escape(f"The target 'y', row 51: {value:g} is beyond 1.7e+38")
    with pytest.raises(DataError, match=told):
        read(numbers(1), target, **options)
    schema = read(numbers(1)).schema
    with pytest.raises(DataError, match=told):
        read_table(pa.table({"a": numbers(1), "y": target}), schema=schema, **options)


def test_the_largest_targets_that_are_taken_have_finite_differences():
    target = [1.7e38, -1.7e38] * (ROWS // 2)
    target[0] = 0.5
    y = read(numbers(1), target).y
    assert torch.isfinite(y.max() - y.min())


def encoded(column):
    table = read(column)
    x = TableEncoder(table.schema).fit(table.x)(table.x)
    return table, x


@pytest.mark.parametrize(
    "column",
    [
        [1e-45 * n for n in range(ROWS)],
        [5e-324 * n for n in range(ROWS)],
        [1e-40 * (n % 7) for n in range(ROWS)],
        [1.7e38 * (-1) ** n for n in range(ROWS)],
        [[-(2**63), 2**63 - 1, 0, 5][n % 4] for n in range(ROWS)],
        [2**63 - 1 - n * n % 40 for n in range(ROWS)],
    ],
    ids=["denormal", "denormal double", "tiny", "huge", "int64's ends", "int64's end"],
)
def test_features_of_extreme_numbers_are_finite(column):
    try:
        table, x = encoded(column)
    except DataError as error:  # all alike in float32: there is nothing to learn
        assert "'a'" in str(error)
        return
    assert torch.isfinite(x).all() and not table.notices.infinite


def test_numbers_beyond_are_counted_and_taken_as_missing():
    column = numbers(1)
    column[7], column[9] = 3e38, -1e39
    table, x = encoded(column)
    assert table.notices.infinite == {"a": 2} and torch.isfinite(x).all()


@pytest.mark.parametrize(
    ("low", "high"), [("0001-01-01", "9999-12-31"), ("1969-12-31", "1970-01-01")]
)
def test_the_first_and_the_last_year_are_read(low, high, tmp_path):
    path = tmp_path / "t.csv"
    rows = [f"{(low, high)[n % 2]},{y}" for n, y in enumerate(numbers())]
    path.write_text("\n".join(["d,y", *rows]) + "\n")
    table = read_table(path, target="y")
    (column,) = table.schema.features
    assert column.kind == "datetime" and column.seen.startswith(low)
    assert torch.isfinite(TableEncoder(table.schema).fit(table.x)(table.x)).all()


def test_dates_that_python_does_not_know_are_read(tmp_path):
    days = [-800_000 + n if n % 2 else 4_000_000 + n for n in range(ROWS)]
    table = read(pa.array(days, pa.date32()))
    assert table.schema.features[0].seen.startswith("-799999 (date32[day] since 1970)")
    assert torch.isfinite(TableEncoder(table.schema).fit(table.x)(table.x)).all()
    apart = [2**62 + n if n % 2 else -(2**62) for n in range(ROWS)]
    with pytest.raises(SchemaError, match="'a' has times that 64 bits cannot count"):
        read(pa.array(apart, pa.timestamp("us")))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("extreme")
    # No straight line has this target: the network answers, not the linear model.
    rows = [
        f"{a:.3f},{'pq'[n % 2]},{abs(a - 0.5):.3f}" for n, a in enumerate(numbers(1))
    ]
    (folder / "t.csv").write_text("\n".join(["a,b,y", *rows]) + "\n")
    at = folder / "run"
    arguments = ["--target", "y", "--epochs", "20", "--run", str(at)]
    assert run(["fit", str(folder / "t.csv"), *arguments]) == 0
    assert "delivered" not in json.loads((at / "model" / "model.json").read_text())
    return at


def test_predictions_that_are_nan_are_counted(trained, tmp_path, capsys):
    (tmp_path / "far.csv").write_text("a,b,y\n0.5,p,1\n1e30,p,1\n0.5,q,2\n1e38,p,3\n")
    capsys.readouterr()
    assert run(["predict", str(tmp_path / "far.csv"), "--run", str(trained)]) == 0
    out, err = capsys.readouterr()
    assert [line == "nan" for line in out.split()[1:]] == [False, True, False, True]
    assert "2 predictions are NaN, the first in row 2" in err
    assert run(["evaluate", str(tmp_path / "far.csv"), "--run", str(trained)]) == 0
    assert "2 predictions are NaN, the first in row 2" in capsys.readouterr().err


def test_columns_that_are_missing_throughout_are_answered(trained, tmp_path, capsys):
    (tmp_path / "none.csv").write_text("a,b\n,\n,\n")
    capsys.readouterr()
    assert run(["predict", str(tmp_path / "none.csv"), "--run", str(trained)]) == 0
    out, err = capsys.readouterr()
    assert np.isfinite([float(line) for line in out.split()[1:]]).all()
    assert "NaN" not in err


def test_a_name_that_is_no_utf8_is_foreseen(tmp_path, capsys):
    path = tmp_path / "n.parquet"
    pq.write_table(pa.table({"naïve": numbers(1), "y": numbers()}), path)
    path.write_bytes(path.read_bytes().replace("naïve".encode(), b"na\xff\xfeve"))
    assert run(["inspect", str(path)]) == 1
    err = capsys.readouterr().err
    assert f"{path} cannot be read as Parquet" in err and "foreseen" not in err
