"""Notes that ``forward`` of a model was called, instead of the model itself."""

from dataclasses import dataclass
from types import FrameType

from torch import nn

from gradatim.torch_private import forward_hooks
from gradatim.watching.model_call import ModelCall, ModelObserver
from gradatim.watching.source_lines import SourceLine, line_of

__all__ = ["DirectCall", "DirectCalls"]


@dataclass(slots=True)
class DirectCall:
    """Whether ``forward`` of a model was called, instead of the model itself."""

    line: SourceLine | None = None
    """The user's line that called it; None where nobody did."""
    has_hooks: bool = False
    """Whether the model has hooks, which such a call leaves out."""


class DirectCalls(ModelObserver[DirectCall]):
    """Sees a part of a model that is called from a ``forward`` nobody noted."""

    record_type = DirectCall

    def on_forward(self, call: ModelCall) -> None:
        """Look whether a module that was not called itself calls this one."""
        frame = call.frame
        owner = frame.f_locals.get("self") if frame is not None else None
        if (
            isinstance(owner, nn.Module)
            and frame is not None
            and frame.f_code.co_name == "forward"
            and owner is not call.module
        ):
            record = self.records[call.number]
            record.line = record.line or _caller_of_forward(frame)
            record.has_hooks |= bool(forward_hooks(owner))


def _caller_of_forward(frame: FrameType) -> SourceLine | None:
    outer = frame.f_back
    while outer is not None and outer.f_code.co_name == "forward":
        outer = outer.f_back
    return line_of(outer) or line_of(frame)
