"""A call of a model, and what observers of models have in common."""

from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Any, Generic, TypeVar

from torch import Tensor, nn

from gradatim.watching.position import Observer, Position
from gradatim.watching.source_lines import SourceLine
from gradatim.watching.tensor_info import TensorInfo

__all__ = ["ForwardSeen", "ModelCall", "ModelObserver"]

R = TypeVar("R")


@dataclass(slots=True)
class ForwardSeen:
    """A call of a model that no other module made."""

    order: int
    model: int  # the number of the model among all models
    step: int
    training: bool
    grad: bool  # whether the output has a graph, for a backward
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    line: SourceLine | None
    used: bool = False  # whether a backward went through the call
    modes: tuple[str, ...] = ()  # the parts in another mode than the model
    moved: tuple[str, ...] = ()  # the buffers that changed since the call before
    same_input: bool = False  # whether it is the tensor of the last call at this line
    source: int | None = None  # the order of the forward that gave the input

    def mark_used(self, gradients: Any) -> None:
        """Note that a backward goes through the call."""
        self.used = True


@dataclass(slots=True)
class ModelCall:
    """A call of a model, as its observers get it."""

    number: int  # the number of the model among all models
    module: nn.Module
    args: Any
    outputs: list[Tensor]
    forward: ForwardSeen
    frame: FrameType | None  # the innermost frame of the user's own code
    data: Tensor | None = None  # the first input, if it has no graph of its own

    @property
    def is_training(self) -> bool:
        """Whether the model is in train mode, and a backward may follow."""
        return self.forward.training and self.forward.grad


class ModelObserver(Observer, Generic[R]):
    """An observer that keeps a record for each model."""

    record_type: Callable[[], R]

    def __init__(self, position: Position) -> None:
        super().__init__(position)
        self.records: list[R] = []
        """The record of each model, by the model's number."""

    def begin(self, module: nn.Module) -> R:
        """Begin the record of a model that is called for the first time."""
        record = self.new_record(module)
        self.records.append(record)
        return record

    def new_record(self, module: nn.Module) -> R:
        """Make a record that knows what there is to know before the first call."""
        return type(self).record_type()

    def on_forward(self, call: ModelCall) -> None:
        """Note what the observer wants of a call."""
