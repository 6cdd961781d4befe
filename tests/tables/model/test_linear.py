"""Ridge and logistic regression against scikit-learn's."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge

from gradatim.tables.model import linear
from gradatim.tables.model.linear import fit_logistic, fit_ridge


def data(*, rows=300, num_features=6, seed=0):
    random = np.random.RandomState(seed)
    x = random.normal(0, 1, (rows, num_features)).astype(np.float32)
    x[:, -1] = x[:, 0] + x[:, 1]  # an exact dependence: only the penalty decides
    signal = x @ random.normal(0, 1, num_features)
    y = signal + random.normal(0, 1, rows)
    train, val, test = torch.arange(rows).split([rows - 100, 50, 50])
    return x, y.astype(np.float32), train, val, test


def features_of(x):
    x = torch.tensor(x)
    return lambda rows: x[rows]


@pytest.mark.parametrize("num_features", [6, 200, 201, 900], ids="{} features".format)
@pytest.mark.parametrize("penalty", [0.001, 1.0, 1000.0])
def test_ridge_at_a_penalty_is_scikit_learns(penalty, num_features, monkeypatch):
    monkeypatch.setattr(linear, "RIDGE_PENALTIES", [penalty])
    x, y, train, val, test = data(num_features=num_features)
    ours = fit_ridge(features_of(x), torch.tensor(y), train, val)
    theirs = Ridge(alpha=penalty).fit(x[train].astype(float), y[train].astype(float))
    found = ours.outputs(features_of(x), test).squeeze(1).numpy()
    np.testing.assert_allclose(found, theirs.predict(x[test].astype(float)), rtol=1e-8)


def test_ridge_takes_the_penalty_that_validates_best(monkeypatch):
    x, y, train, val, test = data(rows=140, num_features=20)
    best, best_error = None, np.inf
    for penalty in linear.RIDGE_PENALTIES:
        theirs = Ridge(alpha=penalty).fit(x[train].astype(float), y[train])
        error = np.mean(
            (theirs.predict(x[val].astype(float)) - y[val].astype(float)) ** 2
        )
        if error < best_error:
            best, best_error = theirs, error
    assert 0.001 < best.alpha < 100_000  # something was there to choose
    ours = fit_ridge(features_of(x), torch.tensor(y), train, val)
    found = ours.outputs(features_of(x), test).squeeze(1).numpy()
    np.testing.assert_allclose(found, best.predict(x[test].astype(float)), rtol=1e-6)


def test_ridge_decomposes_the_smaller_of_its_two_matrices(monkeypatch):
    x, y, train, val, _ = data(num_features=900)
    sizes, eigh = [], torch.linalg.eigh
    monkeypatch.setattr(torch.linalg, "eigh", lambda m: sizes.append(len(m)) or eigh(m))
    fit_ridge(features_of(x), torch.tensor(y), train, val)
    monkeypatch.setattr(linear, "MAX_VALUES", 900 * 30)
    fit_ridge(features_of(x), torch.tensor(y), train, val)
    assert sizes == [len(train), 30]


def test_ridge_in_chunks_is_ridge(monkeypatch):
    x, y, train, val, test = data()
    whole = fit_ridge(features_of(x), torch.tensor(y), train, val)
    monkeypatch.setattr(linear, "CHUNK_ROWS", 7)
    parts = fit_ridge(features_of(x), torch.tensor(y), train, val)
    torch.testing.assert_close(parts.weight, whole.weight, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(
        parts.outputs(features_of(x), test), whole.outputs(features_of(x), test)
    )


@pytest.mark.parametrize("num_classes", [2, 3])
@pytest.mark.parametrize("penalty", [0.1, 10.0])
def test_logistic_at_a_penalty_is_scikit_learns(num_classes, penalty, monkeypatch):
    """Within 2e-3 of a probability: L-BFGS in float32 stops a little before the end."""
    monkeypatch.setattr(linear, "LOGISTIC_PENALTIES", [penalty])
    x, signal, train, val, test = data()
    y = np.digitize(
        signal, np.quantile(signal, np.linspace(0, 1, num_classes + 1)[1:-1])
    )
    ours = fit_logistic(
        features_of(x), torch.tensor(y), train, val, num_classes=num_classes
    )
    # Of two classes scikit-learn has one logit: half the penalty gives the same.
    strength = 1 / penalty if num_classes > 2 else 2 / penalty
    theirs = LogisticRegression(C=strength, tol=1e-8, max_iter=10_000)
    theirs.fit(x[train], y[train])
    found = ours.outputs(features_of(x), test).softmax(dim=1).numpy()
    np.testing.assert_allclose(found, theirs.predict_proba(x[test]), atol=2e-3)


def test_logistic_takes_the_penalty_that_validates_best():
    x, signal, train, val, _ = data(rows=140, num_features=20)
    y = torch.tensor((signal > 0).astype(int))
    chosen = fit_logistic(features_of(x), y, train, val, num_classes=2)
    loss = torch.nn.functional.cross_entropy
    error = loss(chosen.outputs(features_of(x), val), y[val])
    for penalty in linear.LOGISTIC_PENALTIES:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(linear, "LOGISTIC_PENALTIES", [penalty])
            other = fit_logistic(features_of(x), y, train, val, num_classes=2)
        assert error <= loss(other.outputs(features_of(x), val), y[val]) + 1e-3


def test_logistic_of_separable_classes_stays_finite():
    x = torch.linspace(-1, 1, 60).unsqueeze(1)
    y = (x.squeeze(1) > 0).long()
    rows = torch.randperm(60)
    model = fit_logistic(lambda r: x[r], y, rows[:40], rows[40:], num_classes=2)
    probabilities = model.outputs(lambda r: x[r], rows).softmax(dim=1)
    assert torch.isfinite(probabilities).all()
    assert torch.equal(probabilities.argmax(dim=1), y[rows])


def test_logistic_keeps_to_its_memory(monkeypatch):
    monkeypatch.setattr(linear, "MAX_VALUES", 6 * 30)
    x, signal, train, val, _ = data()
    y, most = torch.tensor((signal > 0).astype(int)), 0
    features = features_of(x)

    def counted(rows):
        nonlocal most
        most = max(most, len(rows))
        return features(rows)

    fit_logistic(counted, y, train, val, num_classes=2)
    assert most == 50  # the validation rows; of the training rows it took 30
