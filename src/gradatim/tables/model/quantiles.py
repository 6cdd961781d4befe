"""Quantiles of a target in place of its mean: the loss, and a linear model of them.

The quantile 0.9 of a row is the number that its target is below with a probability of
0.9.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from gradatim.tables.model.linear import Features, LinearModel

__all__ = [
    "PinballLoss",
    "linear_quantiles",
    "pinball_losses",
    "quantile_name",
    "weighted_quantiles",
]

ROUNDING = 1e-12
"""A share of the weights that is lost to rounding when they are added."""


def quantile_name(quantile: float) -> str:
    """Name the column of a quantile.

    >>> quantile_name(0.05)
    'quantile_0.05'
    """
    return f"quantile_{quantile:g}"


def pinball_losses(
    predictions: Float[Tensor, "rows quantiles"],
    targets: Float[Tensor, " rows"],
    quantiles: Sequence[float],
) -> Float[Tensor, "rows quantiles"]:
    """Give how much each predicted quantile of each row costs.

    A target above the quantile q costs q times the distance, one below it 1 - q times:
    so the mean is least where the share q of the targets is below.

    Source: Koenker and Bassett 1978, Regression Quantiles,
    https://doi.org/10.2307/1913643.

    >>> pinball_losses(torch.zeros(2, 1), torch.tensor([1.0, -1.0]), [0.75])
    tensor([[0.7500],
            [0.2500]])
    """
    levels = predictions.new_tensor(quantiles)
    errors = targets.unsqueeze(1) - predictions
    return torch.maximum(levels * errors, (levels - 1) * errors)


class PinballLoss(nn.Module):
    """The mean of :func:`pinball_losses` over rows and quantiles."""

    def __init__(self, quantiles: Sequence[float]) -> None:
        super().__init__()
        self.quantiles = tuple(quantiles)

    def forward(
        self,
        predictions: Float[Tensor, "batch quantiles"],
        targets: Float[Tensor, "batch 1"],
    ) -> Float[Tensor, ""]:
        """Give the loss of a batch.

        Targets are a column, as ``(batch, 1)`` and ``(batch,)`` would broadcast.
        """
        return pinball_losses(predictions, targets.squeeze(1), self.quantiles).mean()

    def extra_repr(self) -> str:
        """Say of which quantiles it is."""
        return f"{self.quantiles}"


def weighted_quantiles(
    values: Float[Tensor, " rows"],
    quantiles: Sequence[float],
    weights: Float[Tensor, " rows"] | None = None,
) -> Float[Tensor, " quantiles"]:
    """Give the quantiles of values that count what ``weights`` say, in float64.

    Each is one of the values: the smallest that the share q of them is not above.

    >>> weighted_quantiles(torch.tensor([3.0, 1.0, 2.0, 4.0]), [0.5, 0.75])
    tensor([2., 3.], dtype=torch.float64)
    """
    ordered, order = values.double().sort()
    counts = torch.ones_like(ordered) if weights is None else weights.double()[order]
    shares = counts.cumsum(0) / counts.sum()
    levels = torch.tensor(list(quantiles), dtype=torch.float64) - ROUNDING
    places = torch.searchsorted(shares, levels).clamp(max=len(ordered) - 1)
    return ordered[places]


def linear_quantiles(
    linear: LinearModel,
    features: Features,
    y: Float[Tensor, " all_rows"],
    rows: Int[Tensor, " rows"],
    quantiles: Sequence[float],
    weights: Float[Tensor, " all_rows"] | None = None,
) -> LinearModel:
    """Make quantiles of a linear model of the mean: it, plus those of its errors.

    All have one slope, so they do not cross. ``rows`` are those that the errors are
    taken of.
    """
    errors = y[rows].double() - linear.outputs(features, rows).squeeze(1).double()
    of_rows = None if weights is None else weights[rows]
    offsets = weighted_quantiles(errors, quantiles, of_rows)
    return LinearModel(
        weight=linear.weight.repeat(len(quantiles), 1),
        bias=linear.bias + offsets.to(linear.bias.dtype),
        penalty=linear.penalty,
    )
