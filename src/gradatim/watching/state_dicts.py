"""Notes where ``state_dict`` is taken, and what becomes of it."""

import weakref
from collections import deque
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from gradatim.watching.position import MOST_OBJECTS, Observer, Position
from gradatim.watching.source_lines import SourceLine, user_line

__all__ = ["StateDicts", "StateUse"]

_State = tuple["weakref.ref[dict[str, Any]]", "weakref.ref[nn.Module]", int, SourceLine]
"""A state that was taken, its module, the updates made before, and the user's line."""
MOST_STATES = 500  # states that are remembered: chosen by hand, not measured


@dataclass(frozen=True, slots=True)
class StateUse:
    """A use of a ``state_dict`` after the weights in it have moved on."""

    taken: SourceLine | None  # the user's line that took the state
    used: SourceLine | None  # the user's line that uses the state
    how: str  # ``itself``, ``another`` (loaded into this or another module), ``saved``
    updates: int  # the number of updates between the two


class StateDicts(Observer):
    """Sees ``state_dict``, ``load_state_dict`` and ``torch.save``."""

    def __init__(self, position: Position) -> None:
        super().__init__(position)
        self.records: list[StateUse] = []
        self._states: deque[_State] = deque(maxlen=MOST_STATES)

    def taken(self, module: nn.Module, state: Any) -> None:
        """``state_dict`` was called."""
        line = user_line(3)
        if line is not None and isinstance(state, dict):
            try:
                ref = weakref.ref(state)
            except TypeError:
                return
            self._states.append((ref, weakref.ref(module), self.step, line))

    def saved(self, obj: Any, *_: Any, **__: Any) -> None:
        """``torch.save`` is called."""
        self._state_used(obj, "saved")

    def loaded(self, module: nn.Module, state_dict: Any, *_: Any, **__: Any) -> None:
        """``load_state_dict`` is called."""
        self._state_used(state_dict, "itself", module)

    def _state_used(
        self, state: Any, how: str, module: nn.Module | None = None
    ) -> None:
        line = user_line(3)
        if not isinstance(state, dict) or line is None:
            return
        parts = [state, *(v for v in state.values() if isinstance(v, dict))]
        for ref, owner, step, taken in self._states:
            own = ref()
            if own is None or not any(part is own for part in parts):
                continue
            kept = owner()
            if kept is not None and not _is_alias(own, kept):
                continue  # other tensors were put into the state, as in soft updates
            if step >= self.step:
                steps = {s for _, _, s, line_of in self._states if line_of == taken}
                if owner() is not module or len(steps) < 2:
                    continue
            if module is not None:
                how = "itself" if owner() is module else "another"
            self._note(StateUse(taken, line, how, self.step - step))
            return
        if module is not None and self.step and _is_alias(state, module):
            of_module = [state for state in self._states if state[1]() is module]
            if of_module and (step := of_module[0][2]) < self.step:
                taken = of_module[0][3]
                self._note(StateUse(taken, line, "itself", self.step - step))

    def _note(self, use: StateUse) -> None:
        if len(self.records) < MOST_OBJECTS:
            self.records.append(use)


def _is_alias(state: dict[str, Any], module: nn.Module) -> bool:
    """Tell whether a state is made of the very parameters of a module."""
    parameters = dict(module.named_parameters())
    given = {n: t for n, t in state.items() if n in parameters}
    return bool(given) and all(
        isinstance(t, Tensor) and t.is_set_to(parameters[n]) for n, t in given.items()
    )
