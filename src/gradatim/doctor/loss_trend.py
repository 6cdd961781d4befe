"""How the loss went, as far as a verdict needs it."""

import math
from dataclasses import dataclass
from statistics import median

from gradatim.watching import TrainingSeen

__all__ = ["Trend", "fall_of_loss", "trend_of"]


@dataclass(frozen=True)
class Trend:
    """The loss at the start and at the end, and how many there are."""

    first: float
    last: float
    """Median of the last tenth."""
    count: int

    @property
    def diverges(self) -> bool:
        """Whether it ended far above its start, or as no number."""
        return not math.isfinite(self.last) or self.last > 3 * abs(self.first)


def trend_of(seen: TrainingSeen) -> Trend | None:
    """Give the trend of what went backward; None of too few."""
    losses = [value for _, value in seen.loss_values.series]
    if len(losses) < 5 or not math.isfinite(losses[0]):
        return None
    tail = losses[-max(1, len(losses) // 10) :]
    last = median(tail) if all(map(math.isfinite, tail)) else math.nan
    return Trend(losses[0], last, seen.backwards.count)


def fall_of_loss(seen: TrainingSeen) -> tuple[float, float] | None:
    """Give the median loss of the first and of the last tenth; None of too few."""
    losses = [value for _, value in seen.loss_values.series]
    if len(losses) < 20 or not all(map(math.isfinite, losses)):
        return None
    tenth = max(3, len(losses) // 10)
    return median(losses[:tenth]), median(losses[-tenth:])
