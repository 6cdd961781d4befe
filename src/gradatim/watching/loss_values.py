"""Notes the values of losses, and where the first one that is no number came from."""

import math
from collections import deque
from dataclasses import dataclass, field

from torch import Tensor

from gradatim.watching.models import Models
from gradatim.watching.non_finite_start import NonFiniteStart, non_finite_start
from gradatim.watching.position import Observer, Position
from gradatim.watching.source_lines import SourceLine
from gradatim.watching.updates import Updates

__all__ = ["LossValues", "LossesGoneBackward"]

MOST_VALUES = 2000  # before the series is thinned: chosen by hand, not measured
KEPT_AS_THEY_ARE = 500  # values at the start: chosen by hand, not measured
MOST_BEFORE = 20  # losses kept before a NaN: chosen by hand, not measured


@dataclass(slots=True)
class LossValues:
    """The values of the losses that went backward."""

    series: list[tuple[int, float]] = field(default_factory=list)
    """The number of updates before the loss, and the loss; thinned as it grows."""
    non_finite: NonFiniteStart | None = None


class LossesGoneBackward(Observer):
    """Sees the value of each loss that goes backward."""

    def __init__(self, position: Position, models: Models, updates: Updates) -> None:
        super().__init__(position)
        self.record = LossValues()
        self._models, self._updates = models, updates
        self._stride = 1
        self._recent: deque[float] = deque(maxlen=MOST_BEFORE)

    def on_backward(self, loss: Tensor, value: float, line: SourceLine | None) -> None:
        """``backward`` is about to run, of a loss with a known value."""
        if self.position.num_backwards % self._stride == 0:
            series = self.record.series
            series.append((self.step, value))
            if len(series) >= MOST_VALUES:
                del series[KEPT_AS_THEY_ARE::2]
                self._stride *= 2
        if not math.isfinite(value) and self.record.non_finite is None:
            self._find_start(loss, value, line)
        self._recent.append(value)

    def _find_start(self, loss: Tensor, value: float, line: SourceLine | None) -> None:
        if loss.grad_fn is None:
            return
        names = self._models.parameter_names()
        start = self.quietly(non_finite_start, loss.grad_fn, names)
        if start is not None:
            start.step, start.value, start.line = self.step, value, line
            start.before = tuple(self._recent)
            start.grad_norm = self._updates.last_grad_norm
            self.record.non_finite = start
