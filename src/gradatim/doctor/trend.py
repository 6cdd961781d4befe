"""How the loss went, as far as a verdict needs it."""

import math
from dataclasses import dataclass
from statistics import median

from gradatim.watching.training_seen import LossCall, TrainingSeen

__all__ = ["Trend", "trained_calls", "trend_of"]


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
    losses = [value for _, value in seen.loss_series]
    if len(losses) < 5 or not math.isfinite(losses[0]):
        return None
    tail = losses[-max(1, len(losses) // 10) :]
    last = median(tail) if all(map(math.isfinite, tail)) else math.nan
    return Trend(losses[0], last, seen.backwards.count)


def trained_calls(seen: TrainingSeen, *names: str) -> list[LossCall]:
    """Give the calls of these losses that were looked at and that trained."""
    return [
        call
        for call in seen.losses
        if call.name in names
        and call.grad
        and call.facts
        and (call.input.requires_grad or call.target.requires_grad)
    ]
