"""Real files of packages: their columns of dates are dates, and stay features.

Sources: PyPI's ``vega_datasets`` and ``statsmodels``, which bring data sets as CSV. The
packages are not imported, only their files are read.
"""

import importlib.util
from pathlib import Path

import pytest

from gradatim.tables.table import inspect_table

pytestmark = pytest.mark.slow

DATES = {
    "vega_datasets/_data/iowa-electricity.csv": ("year", "2001-01-01"),
    "vega_datasets/_data/la-riots.csv": ("death_date", "1992-04-29"),
    "vega_datasets/_data/seattle-temps.csv": ("date", "2010-01-01"),
    "vega_datasets/_data/seattle-weather.csv": ("date", "2012-01-01"),
    "vega_datasets/_data/sf-temps.csv": ("date", "2010-01-01"),
    "vega_datasets/_data/stocks.csv": ("date", "2000-01-01"),
    "vega_datasets/_data/us-employment.csv": ("month", "2006-01-01"),
    "statsmodels/datasets/danish_data/data.csv": ("period", "1974-01-01"),
    "statsmodels/datasets/elec_equip/elec_equip.csv": ("DATE", "1995-01-01"),
}
"""A column of each file, and the earliest date in it."""
NUMBERS = {"statsmodels/datasets/co2/co2.csv": "date"}
"""Dates written as ``19580329``, which are numbers until their owner says more."""


def path_of(name):
    package, _, rest = name.partition("/")
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f"{package} is not installed: pip install -e '.[bench]'")
    return Path(spec.submodule_search_locations[0], rest)


@pytest.mark.parametrize("name", DATES)
def test_dates_of_real_files_are_features(name):
    schema, notices = inspect_table(path_of(name))
    column, first = DATES[name]
    found = schema.column(column)
    assert found.kind == "datetime" and found.used
    assert found.seen.startswith(first)
    assert notices.lines() == []


@pytest.mark.parametrize("name", NUMBERS)
def test_dates_written_as_numbers_are_read_as_dates_where_that_is_said(name):
    column = NUMBERS[name]
    assert inspect_table(path_of(name))[0].column(column).kind == "number"
    said = inspect_table(path_of(name), date=[column])[0].column(column)
    assert said.kind == "datetime" and said.seen.startswith("1958-03-29")
