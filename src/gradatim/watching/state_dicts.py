"""Notes where ``state_dict`` is taken, and what becomes of it."""

import weakref
from collections import deque
from typing import Any

from torch import Tensor, nn

from gradatim.watching.position import MOST_OBJECTS, Observer, Position
from gradatim.watching.source_lines import SourceLine, user_line
from gradatim.watching.training_seen import StateUse

__all__ = ["StateDicts"]

_State = tuple["weakref.ref[dict[str, Any]]", "weakref.ref[nn.Module]", int, SourceLine]
"""A state that was taken, of which module, after how many updates, and where."""


class StateDicts(Observer):
    """Sees ``state_dict``, ``load_state_dict`` and ``torch.save``."""

    def __init__(self, position: Position) -> None:
        super().__init__(position)
        self._states: deque[_State] = deque(maxlen=500)

    def state_taken(self, module: nn.Module, state: Any) -> None:
        """``state_dict`` was called."""
        line = user_line(3)
        if line is not None and isinstance(state, dict):
            try:
                ref = weakref.ref(state)
            except TypeError:
                return
            self._states.append((ref, weakref.ref(module), self.step, line))

    def state_used(self, state: Any, how: str, module: nn.Module | None = None) -> None:
        """A state is loaded into a module, or saved."""
        line = user_line(3)
        if not isinstance(state, dict) or line is None:
            return
        parts = [state, *(v for v in state.values() if isinstance(v, dict))]
        for ref, owner, step, taken in self._states:
            own = ref()
            if own is None or not any(p is own for p in parts):
                continue
            kept = owner()
            if kept is not None and not _is_alias(own, kept):
                continue  # other tensors were put into it since, as in soft updates
            if step >= self.step:
                times = {s for _, _, s, line_of in self._states if line_of == taken}
                if owner() is not module or len(times) < 2:
                    continue
            if module is not None:
                how = "itself" if owner() is module else "another"
            self._note_state(StateUse(taken, line, how, self.step - step))
            return
        if module is not None and self.step and _is_alias(state, module):
            taken_before = [s for s in self._states if s[1]() is module]
            if taken_before and (step := taken_before[0][2]) < self.step:
                found = StateUse(taken_before[0][3], line, "itself", self.step - step)
                self._note_state(found)

    def _note_state(self, found: StateUse) -> None:
        if len(self.seen.state_uses) < MOST_OBJECTS:
            self.seen.state_uses.append(found)


def _is_alias(state: dict[str, Any], module: nn.Module) -> bool:
    """Tell whether a state is made of the very parameters of a module."""
    parameters = dict(module.named_parameters())
    given = {n: t for n, t in state.items() if n in parameters}
    return bool(given) and all(
        isinstance(t, Tensor) and t.is_set_to(parameters[n]) for n, t in given.items()
    )
