"""Notes in which mode modules are: what ``train`` and ``eval`` set, and dropout."""

from dataclasses import dataclass, field
from typing import Any

from torch import nn

from gradatim.torch_private import Dropout
from gradatim.watching.first_and_last import FirstAndLast
from gradatim.watching.forwards import Forwards
from gradatim.watching.identities import identity_of
from gradatim.watching.models import Models
from gradatim.watching.position import Observer, Position
from gradatim.watching.source_lines import (
    SourceLine,
    is_called_by_user,
    line_of,
    user_frame,
    user_line,
)

__all__ = ["Modes", "ModesSeen"]


@dataclass(slots=True)
class ModesSeen:
    """In which mode modules are: what ``train`` and ``eval`` set."""

    changes: FirstAndLast[tuple[int, int, bool, SourceLine | None]] = field(
        default_factory=FirstAndLast
    )
    """Calls of ``train`` and ``eval``: the order, the module's ``id``, whether to
    train, and the user's line."""
    dropouts: FirstAndLast[tuple[int, SourceLine | None]] = field(
        default_factory=FirstAndLast
    )
    """Calls of ``F.dropout`` that drop in a model in eval mode: order and line."""


class Modes(Observer):
    """Sees ``train``, ``eval`` and ``F.dropout``."""

    def __init__(self, position: Position, models: Models, forwards: Forwards) -> None:
        super().__init__(position)
        self.record = ModesSeen()
        self._models, self._forwards = models, forwards

    def mode_set(self, module: nn.Module, mode: bool = True) -> None:
        """``train`` or ``eval`` was called."""
        self.position.has_new_mode = True
        change = self.order(), id(module), mode, user_line(3)
        self.record.changes.add(change)

    def dropout(
        self, input: Any, p: float = 0.5, training: bool = True, inplace: bool = False
    ) -> None:
        """``F.dropout`` is called."""
        forwards, drops = self._forwards, training and p > 0
        if not forwards.stack or not drops or forwards.number is None:
            return
        structure = self._models.structures.records[forwards.number]
        model, module = forwards.stack[0], forwards.stack[-1]
        frame = user_frame(3)
        if frame is None or frame.f_code.co_name != "forward":
            return
        if isinstance(module, Dropout):
            # A layer that the model registers is told of eval mode, and this is not.
            is_own = identity_of(module) in structure.modules
        else:
            is_own = not is_called_by_user()
            if not is_own and model.training:
                structure.with_mode.setdefault("F.dropout", "F.dropout")
        if not is_own and not model.training:
            self.record.dropouts.add((self.order(), line_of(frame)))
