"""The linear models that stand beside every score: ridge and logistic regression.

Both see the encoder's parameter-free view of the rows (numbers standardised, categories
one-hot), are solved to the end, and choose their penalty on the validation rows.
"""

import math
from collections.abc import Callable, Iterator

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

__all__ = ["fit_logistic", "fit_ridge"]

RIDGE_PENALTIES = [10.0**k for k in range(-3, 6)]
LOGISTIC_PENALTIES = [100.0, 10.0, 1.0, 0.1, 0.01]
CHUNK_ROWS = 1 << 14
MAX_LOGISTIC_VALUES = 100_000_000
"""Rows times features that logistic regression keeps in memory (400 MB)."""

Features = Callable[[Int[Tensor, " rows"]], Float[Tensor, "rows features"]]
"""Gives the features of the rows asked for."""


def fit_ridge(
    features: Features,
    y: Float[Tensor, " all_rows"],
    train: Int[Tensor, " rows"],
    val: Int[Tensor, " val_rows"],
) -> Callable[[Int[Tensor, " rows"]], Float[Tensor, " rows"]]:
    """Fit ridge regression by its normal equations, in double precision.

    The rows are gone through in chunks, so that the features of all of them are never
    in memory at once.

    Args:
        features: Gives the features of the rows asked for.
        y: Targets of all rows.
        train: Rows to fit on.
        val: Rows to choose the penalty by.

    Returns:
        A function from row numbers to predictions, float64.
    """
    mean_x, mean_y, gram, moment = _moments(features, y, train)
    # One decomposition serves all penalties: (X'X + penalty)^-1 X'y.
    eigenvalues, vectors = torch.linalg.eigh(gram)
    rotated = vectors.T @ moment

    def predictor(penalty: float) -> Callable[[Tensor], Tensor]:
        inverse = 1 / (eigenvalues.clamp(min=0) + penalty)
        weight = vectors @ (inverse * rotated)

        def predict(rows: Tensor) -> Tensor:
            parts = [
                (features(chunk).double() - mean_x) @ weight + mean_y
                for chunk in rows.split(CHUNK_ROWS)
            ]
            return torch.cat(parts)

        return predict

    def val_error(penalty: float) -> float:
        return (predictor(penalty)(val) - y[val]).square().mean().item()

    return predictor(min(RIDGE_PENALTIES, key=val_error))


def _moments(
    features: Features, y: Tensor, rows: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Give the means, and the centred second moments, of features and targets."""
    wide_y = y[rows].double()
    mean_y = wide_y.mean()
    total: Tensor | None = None
    for x, _ in _chunks(features, rows, wide_y):
        total = x.sum(0) if total is None else total + x.sum(0)
    assert total is not None
    mean_x = total / len(rows)
    gram = torch.zeros(len(mean_x), len(mean_x), dtype=torch.float64)
    moment = torch.zeros(len(mean_x), dtype=torch.float64)
    for x, target in _chunks(features, rows, wide_y):
        centred = x - mean_x
        gram += centred.T @ centred
        moment += centred.T @ (target - mean_y)
    return mean_x, mean_y, gram, moment


def _chunks(
    features: Features, rows: Tensor, y: Tensor
) -> Iterator[tuple[Tensor, Tensor]]:
    for chunk, target in zip(rows.split(CHUNK_ROWS), y.split(CHUNK_ROWS), strict=True):
        yield features(chunk).double(), target


def fit_logistic(
    features: Features,
    y: Int[Tensor, " all_rows"],
    train: Int[Tensor, " rows"],
    val: Int[Tensor, " val_rows"],
    *,
    num_classes: int,
) -> Callable[[Int[Tensor, " rows"]], Float[Tensor, "rows classes"]]:
    """Fit multinomial logistic regression with an L2 penalty by L-BFGS.

    The penalties are tried from strong to weak, each from the solution before it. Of
    very large tables the first rows of ``train`` (they are in random order) are used,
    as many as fit ``MAX_LOGISTIC_VALUES``.

    Args:
        features: Gives the features of the rows asked for.
        y: Class indices of all rows.
        train: Rows to fit on.
        val: Rows to choose the penalty by.
        num_classes: How many classes there are.

    Returns:
        A function from row numbers to probabilities, of shape ``(rows, classes)``.
    """
    num_features = features(train[:1]).size(1)
    train = train[: max(1, MAX_LOGISTIC_VALUES // max(1, num_features))]
    x, targets = features(train), y[train]
    layer = nn.Linear(num_features, num_classes, device="cpu")
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    best, best_error = None, math.inf
    for penalty in LOGISTIC_PENALTIES:
        _minimise(layer, x, targets, penalty / len(train))
        with torch.no_grad():
            error = nn.functional.cross_entropy(layer(features(val)), y[val]).item()
        if error < best_error:
            best, best_error = [p.detach().clone() for p in layer.parameters()], error
    assert best is not None
    weight, bias = best

    def predict(rows: Tensor) -> Tensor:
        parts = [
            nn.functional.linear(features(chunk), weight, bias).softmax(dim=1)
            for chunk in rows.split(CHUNK_ROWS)
        ]
        return torch.cat(parts)

    return predict


def _minimise(layer: nn.Linear, x: Tensor, targets: Tensor, penalty: float) -> None:
    optimizer = torch.optim.LBFGS(
        layer.parameters(), max_iter=100, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(layer(x), targets)
        loss = loss + penalty / 2 * layer.weight.square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
