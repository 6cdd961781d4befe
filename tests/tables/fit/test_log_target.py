"""``log_target``: the scale and back, what is refused, and whom it is named to."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gradatim.errors import ConfigError, DataError
from gradatim.tables.fit.config import TabularConfig
from gradatim.tables.fit.fit import fit_table, predict_rows
from gradatim.tables.fit.log_target import skewed_line, skewness
from gradatim.tables.fit.plan import plan_table
from gradatim.tables.model.better import choose
from gradatim.tables.model.log_scale import LogScale
from gradatim.tables.table import read_table

LOG = TabularConfig(log_target=True, epochs=2)


def table_of(y, **options):
    x = np.random.default_rng(1).normal(size=len(y))
    return read_table({"x": x, "y": y}, target="y", **options)


def amounts(rows=200, seed=0):
    return np.random.default_rng(seed).lognormal(3, 1, rows)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.floats(2**-20, 2**30, width=32), min_size=1),
    st.sampled_from([0.0, 1.0, 2.0**40]),
)
def test_the_scale_goes_there_and_back_and_keeps_the_order(values, origin):
    scale = LogScale(origin=origin)
    y = torch.tensor(values).sort().values
    logs = scale.to_log(y)
    assert (logs.diff() >= 0).all() and logs.dtype == torch.float64
    back = scale.from_log(logs)
    assert torch.allclose(back, y.double(), rtol=1e-12, atol=2e-14 * origin)


def test_both_models_learn_logarithms_and_answer_in_units():
    random = np.random.default_rng(0)
    x = random.normal(size=300)
    table = read_table({"x": x, "y": np.exp(2 + 1.5 * x)}, target="y")
    plan = plan_table(table, LOG)
    logs = table.y.double().log()[plan.train]
    assert plan.model.target_mean.item() == pytest.approx(logs.mean().item())
    fitted = fit_table(plan, progress=False)
    for name in ("linear", "model"):  # the logarithm is linear
        assert fitted.scores[name]["r2"] > 0.99
    constant = fitted.baselines.constant.item()
    assert constant == pytest.approx(table.y[plan.train].double().mean().item())
    plain = fit_table(plan_table(table, TabularConfig(epochs=2)), progress=False)
    assert plain.scores["linear"]["r2"] < 0.9


def test_the_unit_of_the_target_changes_nothing_but_the_unit():
    """Logarithms of other units differ by a constant, which is standardised away."""
    answers = []
    for unit in (1, 1024):
        table = table_of(amounts() * unit)
        fitted = fit_table(plan_table(table, LOG), progress=False)
        answers.append(predict_rows(fitted.model, table.x) / unit)
    assert torch.allclose(*answers, rtol=1e-3)


def test_targets_with_an_origin_are_logarithms_of_the_whole_number():
    y = 2**40 + np.random.default_rng(0).integers(1, 10**7, 200)
    table = table_of(y)
    assert table.schema.target.origin != 0
    plan = plan_table(table, LOG)
    assert plan.model.target_mean.item() == pytest.approx(np.log(2**40), rel=1e-5)
    answers = predict_rows(fit_table(plan, progress=False).model, table.x)
    assert ((answers >= table.y.min()) & (answers <= table.y.max())).all()


@pytest.mark.parametrize("wrong", [0.0, -3.5])
def test_what_has_no_logarithm_is_refused_with_its_place(wrong, tmp_path):
    y = amounts(60)
    y[[7, 30]] = wrong
    said = rf"'y' is {wrong:g} \(row 8.*\), and 1 more.*\n.*\n.*leave log_target out"
    with pytest.raises(DataError, match=said):
        plan_table(table_of(y), LOG)
    path = tmp_path / "y.csv"
    path.write_text("x,y\n" + "".join(f"{i}.5,{v}\n" for i, v in enumerate(y)))
    with pytest.raises(DataError, match="line 9"):
        plan_table(read_table(path, target="y"), LOG)
    table = table_of(amounts(100))
    test = read_table({"x": np.ones(60), "y": y}, schema=table.schema)
    with pytest.raises(DataError, match="row 8 of --test"):
        plan_table(table, LOG, test=test)


def test_classes_have_no_logarithm():
    with pytest.raises(ConfigError, match=r"'y' is a class\.\nOnly numbers have"):
        plan_table(table_of(["a", "b"] * 50), LOG)


def test_medians_are_chosen_by_the_mean_absolute_error():
    targets = torch.tensor([1.0, 1.0, 1.0, 9.0])
    median, mean = torch.ones(4), torch.full((4,), 3.0)
    assert choose("regression", median, mean, targets).by == "linear"
    choice = choose("regression", median, mean, targets, log_target=True)
    assert (choice.by, choice.metric) == ("network", "mae")


ALONE = {
    "normal": lambda r, n: r.normal(100, 10, n),
    "uniform": lambda r, n: r.uniform(1e-6, 1, n),
    "exponential": lambda r, n: r.exponential(1, n),
    "gamma": lambda r, n: r.gamma(2, 1, n),
    "counts": lambda r, n: r.poisson(3, n) + 1.0,
    "skewed counts": lambda r, n: r.negative_binomial(0.5, 0.05, n) + 1.0,
    "waiting": lambda r, n: r.geometric(0.02, n),
    "zeros": lambda r, n: np.where(r.random(n) < 0.1, 0, r.lognormal(0, 1, n)),
    "both signs": lambda r, n: r.lognormal(0, 1, n) - 1,
    "negative": lambda r, n: -r.lognormal(0, 1, n),
    "logarithm skewed, too": lambda r, n: np.exp(r.lognormal(0, 0.6, n)),
}


@pytest.mark.parametrize("name", ALONE)
def test_others_than_skewed_amounts_are_left_alone(name):
    random = np.random.default_rng(0)
    tables = [table_of(ALONE[name](random, 500)) for _ in range(25)]
    assert sum(map(bool, map(skewed_line, tables))) <= 1


@pytest.mark.parametrize("whole", [False, True])
def test_skewed_amounts_are_told(whole):
    tables = [amounts(500, seed) * 1e4 for seed in range(25)]
    told = [skewed_line(table_of(y.round() if whole else y)) for y in tables]
    assert sum(map(bool, told)) >= 23
    assert f"skewness {skewness(torch.tensor(tables[0]).float()):.1f}" in told[0]
    assert "--log-target" in told[0]
    table = table_of(tables[0])
    assert told[0] in plan_table(table, TabularConfig()).notes or whole
    assert skewed_line(table) not in plan_table(table, LOG).notes


def test_one_far_target_is_told_once():
    y = np.random.default_rng(0).normal(100, 1, 500)
    y[3] = 1e12
    assert skewed_line(table_of(y)) == ""
