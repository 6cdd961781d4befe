"""What the doctor says of a table's training can be done by its user."""

import numpy as np
import pytest

from gradatim.doctor import Doctor
from gradatim.tables.fit.config import TabularConfig
from gradatim.tables.fit.fit import fit_table
from gradatim.tables.fit.plan import plan_table
from gradatim.tables.saved.table_run import CURES, doctor_of_table, for_tables
from gradatim.tables.table import read_table
from tests.tables.fit.test_plan import table_of


def findings(table, **choices):
    doctor = Doctor(tell=lambda finding: None)
    plan = plan_table(table, TabularConfig(**choices))
    fit_table(plan, callbacks=[doctor], progress=False)
    return doctor.findings


def test_the_cure_of_a_large_learning_rate_is_an_option(capfd):
    (finding,) = findings(table_of("price"), lr=5.0, epochs=12, patience=12)
    assert finding.code == "GT204" and "such as lr=" in finding.cure
    cured = for_tables(finding)
    rate = float(cured.cure.removeprefix("a smaller learning rate: --lr "))
    assert 0 < rate < 1
    doctor_of_table()._tell(finding)
    assert f"cure  {cured.cure}" in capfd.readouterr().err


@pytest.mark.parametrize("code", sorted(CURES))
def test_cures_name_options_of_fit(code):
    from gradatim.cli.fit import fit

    known = {option for param in fit.params for option in param.opts}
    (option,) = (word for word in CURES[code].split() if word.startswith("--"))
    assert option in known


def test_repeated_rows_are_kept_on_one_side_or_taken_out():
    random = np.random.default_rng(0)
    drawn = random.integers(0, 100, 300)
    columns = {name: random.normal(size=100)[drawn] for name in ("a", "b", "y")}
    (finding,) = findings(read_table(columns, target="y"), epochs=2)
    assert finding.code == "GT502"
    assert for_tables(finding).cure.endswith("--group COLUMN")


def test_a_long_warm_up_is_not_blamed():
    """Its first updates are tiny, and the start from the linear model loses nothing."""
    random = np.random.default_rng(0)
    columns = {name: random.normal(size=400) for name in ("a", "b", "y")}
    table = read_table(columns, target="y")
    choices = {"batch_size": 4, "epochs": 2, "warmup": 0.99, "lr": 1e-5}
    assert findings(table, **choices) == []
