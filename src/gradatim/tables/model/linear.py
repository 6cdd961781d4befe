"""The linear models that stand beside every score: ridge and logistic regression.

Beside a score they get the encoder's features without parameters (numbers
standardised, categories one-hot). They are solved to the end, and their penalty is
chosen on the validation rows.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

__all__ = ["RIDGE_PENALTIES", "LinearModel", "fit_logistic", "fit_ridge"]

# The numbers were chosen by hand, not measured.
RIDGE_PENALTIES = [10.0**k for k in range(-3, 6)]
LOGISTIC_PENALTIES = [100.0, 10.0, 1.0, 0.1, 0.01]
"""From strong to weak."""
CHUNK_ROWS = 1 << 14
"""How many rows' features are in memory at once."""
MAX_VALUES = 100_000_000
"""Rows times features that are kept in memory: 400 MB in float32."""

Features = Callable[[Int[Tensor, " rows"]], Float[Tensor, "rows features"]]
"""A function that gives the features of some rows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LinearModel:
    """A model whose outputs are ``features @ weight.T + bias``."""

    weight: Float[Tensor, "outputs features"]
    bias: Float[Tensor, " outputs"]
    penalty: float = 0.0
    """The one that it was fitted with."""

    def outputs(
        self, features: Features, rows: Int[Tensor, " rows"]
    ) -> Float[Tensor, "rows outputs"]:
        """Give the outputs of some rows, in chunks: predictions, or logits."""
        parts = [
            features(chunk).to(self.weight.dtype) @ self.weight.T + self.bias
            for chunk in rows.split(CHUNK_ROWS)
        ]
        return torch.cat(parts)


def fit_ridge(
    features: Features,
    y: Float[Tensor, " all_rows"],
    train: Int[Tensor, " rows"],
    val: Int[Tensor, " val_rows"],
    *,
    penalty: float | None = None,
    weights: Float[Tensor, " all_rows"] | None = None,
) -> LinearModel:
    """Fit ridge regression by its normal equations.

    ``val`` chooses the penalty if it is not given.

    One decomposition serves all penalties: of the matrix of features by features, or,
    where there are more features than rows, of that of rows by rows. In the first case
    the rows are taken in chunks, so that the features of all rows are never in memory
    at once; in the second the first rows of ``train`` are used, which are in random
    order: as many as fit ``MAX_VALUES``. The model is in float64, with one output.
    ``weights`` are what the rows count; they are scaled to 1 on average.
    """
    num_features = features(train[:1]).size(1)
    if weights is not None:
        weights = weights / weights[train].mean()
    if num_features <= len(train):
        ridge = _by_features(features, y, train, weights)
    else:
        some = train[: max(1, MAX_VALUES // num_features)]
        ridge = _by_rows(features, y, some, weights)
    mean_x, mean_y, weight_at = ridge

    def at(penalty: float) -> LinearModel:
        weight = weight_at(penalty)
        bias = mean_y - mean_x @ weight
        return LinearModel(
            weight=weight.unsqueeze(0), bias=bias.unsqueeze(0), penalty=penalty
        )

    def val_error(model: LinearModel) -> float:
        errors = (model.outputs(features, val).squeeze(1) - y[val]).square()
        return (errors if weights is None else errors * weights[val]).mean().item()

    if penalty is not None:
        return at(penalty)
    return min(map(at, RIDGE_PENALTIES), key=val_error)


_Ridge = tuple[Tensor, Tensor, Callable[[float], Tensor]]
"""The means of features and target, and the weights for a penalty."""


def _by_features(
    features: Features, y: Tensor, rows: Tensor, weights: Tensor | None
) -> _Ridge:
    """Solve ``(X'X + penalty) w = X'y`` by the eigenvectors of ``X'X``."""
    mean_x, mean_y, gram, moment = _moments(features, y, rows, weights)
    eigenvalues, vectors = torch.linalg.eigh(gram)
    rotated = vectors.T @ moment
    kept = eigenvalues.clamp(min=0)
    return mean_x, mean_y, lambda penalty: vectors @ (rotated / (kept + penalty))


def _by_rows(
    features: Features, y: Tensor, rows: Tensor, weights: Tensor | None
) -> _Ridge:
    """Solve ``w = X'(XX' + penalty)^-1 y``, which is the same, by those of ``XX'``."""
    centred, targets = features(rows).double(), y[rows].double()
    mean_x, mean_y = centred.mean(0), targets.mean()
    if weights is not None:
        of_rows = weights[rows].double()
        mean_x, mean_y = (of_rows @ each / of_rows.sum() for each in (centred, targets))
    centred -= mean_x
    targets = targets - mean_y
    if weights is not None:  # a row counts as often as its root squared
        roots = weights[rows].double().sqrt()
        centred, targets = centred * roots.unsqueeze(1), targets * roots
    eigenvalues, vectors = torch.linalg.eigh(centred @ centred.T)
    rotated = vectors.T @ targets
    kept = eigenvalues.clamp(min=0)

    def weight_at(penalty: float) -> Tensor:
        return centred.T @ (vectors @ (rotated / (kept + penalty)))

    return mean_x, mean_y, weight_at


def _moments(
    features: Features, y: Tensor, rows: Tensor, weights: Tensor | None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Give the means, and the centred second moments, of features and targets."""
    if weights is not None:
        return _weighted_moments(features, y, rows, weights)
    chunks = rows.split(CHUNK_ROWS)
    mean_y = y[rows].double().mean()
    total: Any = sum(features(chunk).double().sum(0) for chunk in chunks)
    mean_x = total / len(rows)
    gram = torch.zeros(len(mean_x), len(mean_x), dtype=torch.float64)
    moment = torch.zeros(len(mean_x), dtype=torch.float64)
    for chunk in chunks:
        centred = features(chunk).double() - mean_x
        gram += centred.T @ centred
        moment += centred.T @ (y[chunk].double() - mean_y)
    return mean_x, mean_y, gram, moment


def _weighted_moments(
    features: Features, y: Tensor, rows: Tensor, weights: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    chunks = rows.split(CHUNK_ROWS)
    total = weights[rows].double().sum()
    mean_y = weights[rows].double() @ y[rows].double() / total
    sums: Any = sum(weights[c].double() @ features(c).double() for c in chunks)
    mean_x = sums / total
    gram = torch.zeros(len(mean_x), len(mean_x), dtype=torch.float64)
    moment = torch.zeros(len(mean_x), dtype=torch.float64)
    for chunk in chunks:
        centred = features(chunk).double() - mean_x
        weighted = centred * weights[chunk].double().unsqueeze(1)
        gram += weighted.T @ centred
        moment += weighted.T @ (y[chunk].double() - mean_y)
    return mean_x, mean_y, gram, moment


def fit_logistic(
    features: Features,
    y: Int[Tensor, " all_rows"],
    train: Int[Tensor, " rows"],
    val: Int[Tensor, " val_rows"],
    *,
    num_classes: int,
    penalty: float | None = None,
    weights: Float[Tensor, " all_rows"] | None = None,
) -> LinearModel:
    """Fit multinomial logistic regression with an L2 penalty by L-BFGS.

    The penalties are tried from strong to weak, each starting from the solution before
    it; ``val`` chooses, if none is given. Of a very large table only the first rows of
    ``train`` are used, which are in random order: as many as fit ``MAX_VALUES``. The
    model is in float32, with a logit for each class. ``weights`` are what the rows
    count; they are scaled to 1 on average.
    """
    num_features = features(train[:1]).size(1)
    train = train[: max(1, MAX_VALUES // max(1, num_features))]
    x, targets = features(train), y[train]
    of_train, of_val = None, None
    if weights is not None:
        of_train = (weights[train] / weights[train].mean()).float()
        of_val = weights[val].float()
    weight = torch.zeros(num_classes, num_features, requires_grad=True)
    bias = torch.zeros(num_classes, requires_grad=True)
    best, best_error = None, math.inf
    for tried in LOGISTIC_PENALTIES if penalty is None else [penalty]:
        _minimise(weight, bias, x, targets, tried / len(train), of_train)
        model = LinearModel(
            weight=weight.detach().clone(), bias=bias.detach().clone(), penalty=tried
        )
        if penalty is not None:
            return model
        error = _cross_entropy(model.outputs(features, val), y[val], of_val).item()
        if error < best_error:
            best, best_error = model, error
    assert best is not None
    return best


def _cross_entropy(logits: Tensor, targets: Tensor, weights: Tensor | None) -> Tensor:
    if weights is None:
        return nn.functional.cross_entropy(logits, targets)
    losses = nn.functional.cross_entropy(logits, targets, reduction="none")
    return (losses * weights).mean()


def _minimise(
    weight: Tensor,
    bias: Tensor,
    x: Tensor,
    targets: Tensor,
    penalty: float,
    weights: Tensor | None,
) -> None:
    optimizer = torch.optim.LBFGS(
        [weight, bias], max_iter=100, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        logits = nn.functional.linear(x, weight, bias)
        loss = _cross_entropy(logits, targets, weights)
        loss = loss + penalty / 2 * weight.square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
