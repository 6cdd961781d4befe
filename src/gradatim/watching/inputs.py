"""Notes the numbers that a model is given, column by column."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gradatim.watching.first_and_last import FirstAndLast
from gradatim.watching.model_call import ModelCall, ModelObserver

__all__ = ["InputNumbers", "Inputs", "input_numbers"]

MOST_NUMBERS = 2_000_000  # read of one input: chosen by hand, not measured
MOST_KEPT = 50  # from the start, and from the end: chosen by hand, not measured
MOST_INPUTS = 1000  # read of one model: chosen by hand, not measured


@dataclass(frozen=True, slots=True)
class InputNumbers:
    """The numbers of a model's first input, by column."""

    step: int
    training: bool
    shape: tuple[int, ...]
    num_bad: int  # how many of its numbers are NaN or infinite
    min: float  # the smallest number of the rows that are finite
    max: float  # the largest number of the rows that are finite
    is_whole: bool
    std_low: float  # the smallest standard deviation that is not zero
    std_high: float  # the largest standard deviation of a column
    column_high: int  # the column that varies most
    column_low: int  # the column that varies least and is not constant
    mean_high: float  # the largest mean of such a column, without its sign


class Inputs(ModelObserver[FirstAndLast[InputNumbers]]):
    """Sees what a model is given, at updates that get a close look."""

    def new_record(self, module: nn.Module) -> FirstAndLast[InputNumbers]:
        """Begin with no input."""
        return FirstAndLast(MOST_KEPT, MOST_KEPT)

    def on_forward(self, call: ModelCall) -> None:
        """Look at the columns of the data that a model was given."""
        record = self.records[call.number]
        if call.data is None or not self.is_close or record.count >= MOST_INPUTS:
            return
        training = call.forward.training
        numbers = self.quietly(input_numbers, self.step, training, call.data)
        if numbers is not None:
            record.add(numbers)


def input_numbers(step: int, training: bool, data: Tensor) -> InputNumbers | None:
    """Look at the columns of an input: the last dimension, of pictures the channels."""
    if not data.is_floating_point() or data.dim() < 2 or not data.numel():
        return None
    rows = data[: max(1, MOST_NUMBERS // max(1, data[0].numel()))].double()
    wide = rows.movedim(1, -1).flatten(0, -2) if rows.dim() >= 4 else rows
    wide = wide.flatten(0, -2)
    finite = wide[wide.isfinite().all(dim=1)]
    if len(finite) < 2:
        finite = torch.zeros(2, wide.size(1), dtype=torch.double)
    std, mean = finite.std(dim=0, correction=0), finite.mean(dim=0)
    varied = std > 0
    if not varied.any():
        varied = torch.ones_like(varied)
    return InputNumbers(
        step=step,
        training=training,
        shape=tuple(data.shape),
        num_bad=int((~wide.isfinite()).sum()),
        min=float(finite.min()),
        max=float(finite.max()),
        is_whole=bool((finite == finite.round()).all()),
        std_low=float(std[varied].min()),
        std_high=float(std[varied].max()),
        column_high=int(torch.where(varied, std, -1.0).argmax()),
        column_low=int(torch.where(varied, std, torch.inf).argmin()),
        mean_high=float(mean[varied].abs().max()),
    )
