"""Runs trained once, for the tests that read them."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pandas as pd
import pytest

from gradatim.data.table import read_table
from gradatim.run.folder import RunFolder, write_run
from gradatim.tabular.config import TabularConfig
from gradatim.tabular.fit import FittedTable, fit_table
from gradatim.tabular.plan import plan_table
from tests.houses import with_target


@dataclass(frozen=True)
class Trained:
    run: RunFolder
    fitted: FittedTable
    csv: Path
    parquet: Path
    """The file that it was trained on, and the same rows as Parquet."""


def fitted_on(file: Path, target: str, **options) -> FittedTable:
    table = read_table(file, target=target)
    plan = plan_table(table, TabularConfig(epochs=2, hidden=16), **options)
    return fit_table(plan, progress=False)


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """Give the run on a target of ``houses``; not to be changed."""
    folder = tmp_path_factory.mktemp("trained")

    @cache
    def on(target: str) -> Trained:
        csv = folder / f"{target}.csv"
        frame = with_target(target)
        frame.to_csv(csv, index=False)
        frame["built"] = pd.to_datetime(frame["built"])
        frame.to_parquet(csv.with_suffix(".parquet"), index=False)
        fitted = fitted_on(csv, target)
        source = {"name": csv.name, "bytes": csv.stat().st_size}
        run = write_run(folder / f"run-{target}", fitted, {"file": source})
        return Trained(run, fitted, csv, csv.with_suffix(".parquet"))

    return on
