"""Permutation importance against scikit-learn's, and against what shuffling does."""

import numpy as np
import pyarrow as pa
import pytest
import torch
from sklearn.inspection import permutation_importance as of_sklearn
from sklearn.linear_model import LinearRegression, LogisticRegression

from gradatim.errors import ConfigError
from gradatim.tables.model.importance import METRICS, permutation_importance
from gradatim.tables.model.scores import SCORE_NAMES, score
from gradatim.tables.table import read_table

NUM_ROWS = 120


def regression():
    """A table, its features as numbers, and a linear model of them."""
    random = np.random.default_rng(0)
    a, b, c = random.normal(size=(3, NUM_ROWS))
    y = 3 * a + b + 0.1 * random.normal(size=NUM_ROWS)
    table = read_table(pa.table({"a": a, "b": b, "c": c, "y": y}), target="y")
    features = table.x["numbers"].double().numpy()
    return table, features, LinearRegression().fit(features, table.y.numpy())


def answers_of(model):
    def answer(x):
        features = x["numbers"].double().numpy()
        if hasattr(model, "predict_proba"):
            return torch.from_numpy(model.predict_proba(features))
        return torch.from_numpy(model.predict(features))

    return answer


@pytest.mark.parametrize("weighted", [False, True])
def test_the_mean_is_that_of_scikit_learn(weighted):
    table, features, model = regression()
    weights = np.random.default_rng(1).uniform(0.1, 2, NUM_ROWS) if weighted else None
    found = permutation_importance(
        answers_of(model),
        table.x,
        table.y,
        table.schema,
        metric="r2",
        repeats=60,
        weights=None if weights is None else torch.from_numpy(weights),
    )
    theirs = of_sklearn(
        model,
        features,
        table.y.numpy(),
        scoring="r2",
        n_repeats=60,
        random_state=0,
        sample_weight=weights,
    )
    assert list(found.columns) == ["a", "b", "c"]
    for place, (mean, spread) in enumerate(found.columns.values()):
        expected = theirs.importances_mean[place]
        # Both are means of 60 shuffles, by generators of their own.
        error = 5 * np.hypot(spread, theirs.importances_std[place]) / np.sqrt(60)
        assert abs(mean - expected) <= error + 1e-9
        assert spread == pytest.approx(theirs.importances_std[place], rel=0.5)


@pytest.mark.parametrize("metric", SCORE_NAMES["regression"])
def test_a_loss_is_positive_whichever_way_the_score_is_better(metric):
    table, _, model = regression()
    answer = answers_of(model)
    found = permutation_importance(
        answer, table.x, table.y, table.schema, metric=metric, repeats=1, seed=3
    )
    before = score("regression", answer(table.x), table.y)[metric]
    order = torch.randperm(NUM_ROWS, generator=torch.Generator().manual_seed(3))
    x = table.x["numbers"].clone()
    x[:, 0] = x[order, 0]
    after = score("regression", answer({"numbers": x}), table.y)[metric]
    assert found.score == before
    assert found.columns["a"][0] == abs(after - before) > 0
    assert np.isnan(found.columns["a"][1])  # one value has no spread


def test_classes_are_scored_by_log_loss_and_what_is_not_used_is_0():
    random = np.random.default_rng(0)
    a, b = random.normal(size=(2, NUM_ROWS))
    data = pa.table({"b": b, "a": a, "y": np.where(a > 0, "yes", "no")})
    table = read_table(data, target="y")
    features = table.x["numbers"].double().numpy()
    model = LogisticRegression().fit(features, table.y.numpy())
    model.coef_[0, 0] = 0
    found = permutation_importance(answers_of(model), table.x, table.y, table.schema)
    assert found.metric == METRICS["binary"] == "log_loss"
    assert list(found.columns) == ["a", "b"]
    assert found.columns["b"] == (0.0, 0.0)


def test_what_was_made_of_a_column_is_shuffled_with_it():
    numbers = [n * n % 97 for n in range(NUM_ROWS)]
    values = [f">{n}" if n > 90 else str(n) for n in numbers]
    data = pa.table({"n": values, "y": np.arange(NUM_ROWS) / 7})
    table = read_table(data, target="y")
    assert len(table.schema.features) == 2  # the number, and whether it is a bound
    asked = []

    def answer(x):
        asked.append(x["numbers"])
        return x["numbers"][:, 0]

    found = permutation_importance(
        answer, table.x, table.y, table.schema, repeats=1, seed=1
    )
    order = torch.randperm(NUM_ROWS, generator=torch.Generator().manual_seed(1))
    assert list(found.columns) == ["n"]
    assert torch.equal(asked[1], asked[0][order])


@pytest.mark.parametrize(
    ("options", "told"),
    [({"metric": "rmse2"}, "'rmse2'.*Did you mean"), ({"repeats": 0}, "repeats is 0")],
)
def test_what_cannot_be_is_refused(options, told):
    table, _, model = regression()
    with pytest.raises(ConfigError, match=f"(?s){told}"):
        permutation_importance(
            answers_of(model), table.x, table.y, table.schema, **options
        )
