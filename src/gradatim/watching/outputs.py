"""Notes how the numbers that modules give are spread."""

import math
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from gradatim.watching.first_and_last import FirstAndLast
from gradatim.watching.model_call import ModelObserver

__all__ = ["OutputNumbers", "Outputs"]

MOST_NUMBERS = 100_000  # read of one output: chosen by hand, not measured
MOST_FIRST_OUTPUTS = 2000  # kept of a model: chosen by hand, not measured
MOST_LAST_OUTPUTS = 500  # kept of a model: chosen by hand, not measured


@dataclass(slots=True)
class OutputNumbers:
    """What one call of a module gave, at an update that gets a close look."""

    step: int
    name: str
    kind: str
    std: float  # the standard deviation of the finite numbers
    has_weights: bool  # whether the module has parameters


class Outputs(ModelObserver[FirstAndLast[OutputNumbers]]):
    """Sees the outputs of the modules that have no modules inside."""

    def new_record(self, module: nn.Module) -> FirstAndLast[OutputNumbers]:
        """Begin with no output."""
        return FirstAndLast(MOST_FIRST_OUTPUTS, MOST_LAST_OUTPUTS)

    def leave(
        self, number: int, name: str | None, module: nn.Module, output: Any
    ) -> None:
        """A module has given its output."""
        if next(module.children(), None) is not None or not isinstance(output, Tensor):
            return
        std = self.quietly(_spread, output.detach())
        if std is not None:
            kind = type(module).__name__
            name = kind if name is None else name
            has_weights = next(module.parameters(), None) is not None
            numbers = OutputNumbers(self.step, name, kind, std, has_weights)
            self.records[number].add(numbers)


def _spread(output: Tensor) -> float | None:
    """Give the standard deviation of the finite numbers of a tensor."""
    if not output.is_floating_point() or not output.numel():
        return None
    numbers = output
    if numbers.numel() > MOST_NUMBERS:
        numbers = numbers[: max(1, MOST_NUMBERS * len(numbers) // numbers.numel())]
    numbers = numbers.float()
    std = float(numbers.std(correction=0))
    if not math.isfinite(std):
        finite = numbers[numbers.isfinite()]
        std = float(finite.std(correction=0)) if finite.numel() else 0.0
    return std
