"""Runs trained once, for the tests that read them."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pandas as pd
import pytest

from gradatim.tables.fit.config import TabularConfig
from gradatim.tables.fit.fit import FittedTable, fit_table
from gradatim.tables.fit.plan import TablePlan, plan_table
from gradatim.tables.saved.folder import TableRunFolder, begin_run, finish_run
from gradatim.tables.saved.table_run import describe_file, train_in
from gradatim.tables.table import read_table
from tests.houses import with_target


@dataclass(frozen=True)
class Trained:
    run: TableRunFolder
    fitted: FittedTable
    csv: Path
    parquet: Path
    """The file that it was trained on, and the same rows as Parquet."""


def plan_on(file: Path, target: str, **options) -> TablePlan:
    table = read_table(file, target=target)
    return plan_table(table, TabularConfig(epochs=2, hidden=16), **options)


def fitted_on(file: Path, target: str, **options) -> FittedTable:
    return fit_table(plan_on(file, target, **options), progress=False)


def write_run(path: Path, fitted: FittedTable, request: dict) -> TableRunFolder:
    """Write a run as its command does, but for the training."""
    return finish_run(begin_run(path, fitted.plan, request), fitted)


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
        path, plan = folder / f"run-{target}", plan_on(csv, target)
        request = {"file": describe_file(csv, path), "drop_missing_target": False}
        run = begin_run(path, plan, request)
        fitted = train_in(run, plan, progress=False)
        return Trained(run, fitted, csv, csv.with_suffix(".parquet"))

    return on
