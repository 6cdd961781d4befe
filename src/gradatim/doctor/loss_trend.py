"""Questions to the record about how the loss went."""

import math
from dataclasses import dataclass
from statistics import median

from gradatim.watching import LossCall, TrainingSeen

__all__ = ["LossTrend", "fall_of_loss", "share_of_variance", "trend_of_loss"]

MIN_LOSSES = 5  # chosen by hand, not measured
MIN_LOSSES_OF_A_FALL = 20  # chosen by hand, not measured
DIVERGENCE = 3  # times the first loss; chosen by hand, not measured


@dataclass(frozen=True)
class LossTrend:
    """The loss at the start and at the end of a training."""

    first: float
    last: float
    """The median of the last tenth; NaN where one of these losses is not finite."""
    num_losses: int

    def __str__(self) -> str:
        return f"loss {self.first:.4g} -> {self.last:.4g} in {self.num_losses} steps"

    @property
    def diverges(self) -> bool:
        """Whether the loss ended far above its start, or is not finite any more."""
        return not math.isfinite(self.last) or self.last > DIVERGENCE * abs(self.first)


def trend_of_loss(seen: TrainingSeen) -> LossTrend | None:
    """Give the trend of the losses that went backward; None for fewer than five."""
    losses = [value for _, value in seen.loss_values.series]
    if len(losses) < MIN_LOSSES or not math.isfinite(losses[0]):
        return None
    tail = losses[-max(1, len(losses) // 10) :]
    last = median(tail) if all(map(math.isfinite, tail)) else math.nan
    return LossTrend(losses[0], last, seen.backwards.count)


def fall_of_loss(seen: TrainingSeen) -> tuple[float, float] | None:
    """Give the median loss of the first and of the last tenth; None for too few."""
    losses = [value for _, value in seen.loss_values.series]
    if len(losses) < MIN_LOSSES_OF_A_FALL or not all(map(math.isfinite, losses)):
        return None
    tenth = max(3, len(losses) // 10)
    return median(losses[:tenth]), median(losses[-tenth:])


def share_of_variance(call: LossCall) -> float | None:
    """Give the squared error over the variance of the targets, 1 for their mean.

    None where the call has no squared error, or where all its targets are equal.
    """
    facts = call.facts
    if not facts.get("target_std") or "squared_error" not in facts:
        return None
    return facts["squared_error"] / facts["target_std"] ** 2
