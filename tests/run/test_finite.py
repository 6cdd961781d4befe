"""No checkpoint of weights that are NaN or infinite is written."""

import pytest
import torch
from torch import nn

from gradatim.errors import NonFiniteLossError
from gradatim.run.checkpoint import Checkpoints
from gradatim.run.finite import check_finite
from tests.run.forms import fit, loop, names_in, network, stopping_at


def spoil(model, value):
    with torch.no_grad():
        model[0].weight[1, 0] = value


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("on_save_error", ["raise", "warn"])
@pytest.mark.parametrize("form", [loop, fit])
def test_weights_that_are_no_numbers_are_not_saved(
    form, value, on_save_error, tmp_path
):
    told = (
        r"model\.0\.weight has 1 of 6 values that are NaN or infinite after step 4\.\n"
        r".*The last checkpoint with finite weights is .*checkpoints.step-3\.\n"
    )
    model = network()
    spoils = stopping_at(form, 4, lambda: spoil(model, value))
    run = {"every_steps": 1, "on_save_error": on_save_error}
    with pytest.raises(NonFiniteLossError, match=told):
        form(tmp_path, model=model, **run, **spoils)
    assert names_in(tmp_path)[-1] == "step-3"
    assert not (tmp_path / "model").exists()
    newest, _ = Checkpoints(tmp_path).newest()
    assert all(tensor.isfinite().all() for tensor in newest.model.values())


def test_a_run_does_not_begin_with_weights_that_are_no_numbers(tmp_path):
    model = network()
    spoil(model, torch.nan)
    with pytest.raises(NonFiniteLossError, match="There is no checkpoint yet"):
        loop(tmp_path, model=model)


@pytest.mark.parametrize(
    "weight",
    [
        torch.full((4,), 3e38),  # whose norm is infinite
        torch.full((4,), 6e4, dtype=torch.float16),
        torch.tensor([1.0, 2j]),
        torch.zeros(0),
        torch.zeros(2, dtype=torch.bfloat16),
    ],
)
def test_large_values_are_numbers(weight):
    module = nn.Module()
    module.weight = nn.Parameter(weight)
    check_finite({"model": module}, 1, str)
    if len(weight):
        with torch.no_grad():
            module.weight[1] = torch.nan
        with pytest.raises(NonFiniteLossError, match=r"model\.weight has 1 of"):
            check_finite({"model": module}, 1, str)


def test_what_does_not_train_may_be_anything():
    module = nn.Sequential(nn.BatchNorm1d(2), nn.Linear(2, 2), nn.LazyLinear(1))
    module[0].running_mean.fill_(torch.nan)
    module[1].requires_grad_(False).weight.fill_(torch.inf)
    check_finite({"model": module}, 1, str)
    check_finite({}, 1, str)
