"""Intervals around the predictions of a regression, of a width that is seen to hold.

How far off a model was on rows that it was not trained on says how far off it may be on
new ones: the interval is as wide as the errors of the validation rows, but for the
largest of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["Conformal", "Errors", "half_width", "rows_needed"]

ROUNDING = 1e-9
"""What is taken off before rounding up, as 0.7 * 10 is above 7 in floating point."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Conformal:
    """Intervals of one level: by how much they reach to both sides of an answer."""

    level: float
    """The share of new rows whose targets should lie within."""
    half_widths: Mapping[str, float]
    """By ``"baseline"``, ``"linear"``, ``"model"`` and perhaps ``"network"``, in units
    of the target."""

    def of(self, name: str) -> tuple[float, float]:
        """Give the level, and the half width of one of them."""
        return self.level, self.half_widths[name]


@dataclass(frozen=True, kw_only=True, slots=True)
class Errors:
    """How far off some models were on the validation rows of one training."""

    sizes: Mapping[str, Float[Tensor, " rows"]]
    """The absolute errors, by model."""
    weights: Float[Tensor, " rows"] | None
    """What the rows count."""

    @classmethod
    def of(
        cls,
        answers: Mapping[str, Tensor],
        targets: Float[Tensor, " rows"],
        weights: Float[Tensor, " rows"] | None,
    ) -> "Errors":
        """Take the errors of the models' answers."""
        sizes = {
            name: (each.double() - targets.double()).abs()
            for name, each in answers.items()
        }
        return cls(sizes=sizes, weights=weights)

    @staticmethod
    def conformal(parts: Sequence["Errors"], level: float) -> Conformal:
        """Make intervals by the errors of one training, or of several together."""
        counts = [part.weights for part in parts if part.weights is not None]
        weights = torch.cat(counts) if counts else None
        return Conformal(
            level=level,
            half_widths={
                name: half_width(
                    torch.cat([part.sizes[name] for part in parts]), level, weights
                )
                for name in parts[0].sizes
            },
        )


def rows_needed(level: float) -> int:
    """Say how many rows an interval of a level takes at least.

    >>> rows_needed(0.9), rows_needed(0.95), rows_needed(0.5)
    (9, 19, 1)
    """
    rows = 1
    while _place(rows, level) > rows:
        rows += 1
    return rows


def _place(rows: int, level: float) -> int:
    """Say which of the sorted errors is the half width, counted from 1."""
    return int(-(-((rows + 1) * level - ROUNDING) // 1))


def half_width(
    errors: Float[Tensor, " rows"],
    level: float,
    weights: Float[Tensor, " rows"] | None = None,
) -> float:
    """Give by how much an interval has to reach to both sides of an answer.

    Of n errors it is the one at place (n + 1) * level, rounded up. If a new row could
    have been any of the rows (if all are exchangeable), its error is at most this large
    with a probability of ``level`` or more, whatever the model and the target are like.

    Args:
        errors: Absolute errors on rows that the model was not trained on.
        level: The share of new rows that is to lie within, more than 0, less than 1.
        weights: What the rows count. The new row, whose weight is not known, counts as
            much as they do on average.

    Returns:
        Infinity where there are fewer rows than :func:`rows_needed` says.

    Source: Lei et al. 2018, Distribution-Free Predictive Inference for Regression,
    https://arxiv.org/abs/1604.04173 (split conformal); with weights Tibshirani et al.
    2019, Conformal Prediction Under Covariate Shift, https://arxiv.org/abs/1904.06019.

    >>> half_width(torch.arange(1.0, 10.0), 0.9), half_width(torch.ones(8), 0.9)
    (9.0, inf)
    """
    ordered, order = errors.sort()
    if weights is None:
        place = _place(len(errors), level)
        return float(ordered[place - 1]) if place <= len(errors) else float("inf")
    counts = weights.double()[order] / weights.double().mean()
    reached = counts.cumsum(0) >= level * (len(errors) + 1) - ROUNDING
    return float(ordered[reached.int().argmax()]) if reached.any() else float("inf")
