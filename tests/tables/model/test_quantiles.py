"""The loss of quantiles, their scores, and linear quantiles, against others'."""

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import mean_pinball_loss
from torch import nn

from gradatim.tables.features import TableEncoder
from gradatim.tables.model.linear import fit_ridge
from gradatim.tables.model.network import TableModel
from gradatim.tables.model.quantiles import (
    PinballLoss,
    linear_quantiles,
    weighted_quantiles,
)
from gradatim.tables.model.row_weights import WeightedRows, with_weights
from gradatim.tables.model.scores import score
from gradatim.tables.schema.schema import Schema

QUANTILES = (0.05, 0.5, 0.9)


def drawn(rows, seed):
    generator = torch.Generator().manual_seed(seed)
    answers = torch.randn(rows, 3, generator=generator).sort(dim=1).values
    targets = torch.randn(rows, generator=generator)
    return answers, targets, torch.rand(rows, generator=generator) + 0.01


@given(rows=st.integers(1, 40), seed=st.integers(0, 99), weighted=st.booleans())
def test_scores_and_loss_are_those_of_scikit_learn(rows, seed, weighted):
    answers, targets, weights = drawn(rows, seed)
    of_rows = weights if weighted else None
    found = score("regression", answers, targets, of_rows, quantiles=QUANTILES)
    expected = [
        mean_pinball_loss(
            targets.double().numpy(),
            answers[:, place].double().numpy(),
            sample_weight=None if of_rows is None else of_rows.double().numpy(),
            alpha=quantile,
        )
        for place, quantile in enumerate(QUANTILES)
    ]
    assert [found[f"pinball_{q:g}"] for q in QUANTILES] == pytest.approx(expected)
    assert found["pinball"] == pytest.approx(np.mean(expected))
    inside = (answers[:, 0] <= targets) & (targets <= answers[:, 2])
    share = np.average(inside, weights=of_rows)
    assert found["coverage_0.85"] == pytest.approx(share)
    width = np.average(answers[:, 2] - answers[:, 0], weights=of_rows)
    assert found["interval_width"] == pytest.approx(width, rel=1e-5)
    if weighted:
        pairs = with_weights(targets, weights, torch.arange(rows))
        loss = WeightedRows("regression", QUANTILES)(answers, pairs)
    else:
        loss = PinballLoss(QUANTILES)(answers, targets.unsqueeze(1))
    assert loss.item() == pytest.approx(np.mean(expected), rel=1e-4, abs=1e-6)


@given(rows=st.integers(1, 40), seed=st.integers(0, 99), q=st.sampled_from(QUANTILES))
def test_quantiles_of_values_are_numpys_and_cost_least(rows, seed, q):
    _, values, weights = drawn(rows, seed)
    found = weighted_quantiles(values, [q], weights)
    theirs = np.quantile(values, q, method="inverted_cdf", weights=weights)
    assert found.item() == pytest.approx(float(theirs))
    loss = WeightedRows("regression", [q])
    pairs = with_weights(values, weights, torch.arange(rows))
    least = min(loss(v.expand(rows, 1), pairs).item() for v in values)
    assert loss(found.float().expand(rows, 1), pairs).item() == pytest.approx(
        least, abs=1e-5
    )


def test_a_linear_model_of_quantiles_has_the_shares_of_its_errors():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(400, 2, generator=generator)
    y = x @ torch.tensor([2.0, -1.0]) + torch.rand(400, generator=generator).square()
    train, val = torch.arange(300), torch.arange(300, 400)
    ridge = fit_ridge(lambda rows: x[rows], y, train, val)
    found = linear_quantiles(ridge, lambda rows: x[rows], y, val, QUANTILES)
    outputs = found.outputs(lambda rows: x[rows], val)
    shares = (y[val].unsqueeze(1) <= outputs + 1e-9).double().mean(dim=0)
    assert shares.tolist() == pytest.approx(QUANTILES)
    assert torch.equal(found.weight, ridge.weight.expand(3, 2))


def test_outputs_that_cross_are_answers_in_order():
    schema = Schema.infer(pa.table({"a": [1, 2, 4], "y": [0.5, 0.1, 2.5]}), target="y")
    encoder = TableEncoder(schema)
    model = TableModel(encoder, nn.Identity(), "regression", QUANTILES)
    model.fit_target(torch.tensor([0.0, 2.0]))
    outputs = torch.tensor([[1.0, -1.0, 0.0], [0.0, 1.0, 2.0]])
    answers = model.answers(outputs)
    assert answers.tolist() == [[0.0, 1.0, 2.0], [1.0, 2.0, 3.0]]
