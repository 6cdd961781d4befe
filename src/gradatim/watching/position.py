"""Where a program is: what counts its events, and what all parts ask."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from gradatim.watching.training_seen import TensorInfo, TrainingSeen

__all__ = [
    "CLOSE",
    "MOST_OBJECTS",
    "Observer",
    "Position",
    "info_of",
    "is_wrapped",
]

CLOSE = 5
"""Updates at the start that are looked at closely."""
MOST_PHASES = 20
"""Times that a training begins anew, as fine-tuning does, and is looked at again."""
MOST_OBJECTS = 200
"""Models, optimizers, loaders and the like that are noted."""


class Position:
    """Counts what happens; one for all parts of a watcher."""

    def __init__(self, seen: TrainingSeen) -> None:
        self.seen = seen
        self.num_events = 0
        self._phase_at = self._num_phases = 0
        self.is_asked = False
        """Whether somebody asks for a close look at what comes now."""
        self.is_lean = False
        """Whether to look at less: beside a trainer, whose loop is known."""
        self.has_new_mode = False
        """Whether ``train`` or ``eval`` was called since the last forward."""
        self.is_busy = False
        self.recomputes = False
        self.is_inside_backward = False
        self.is_inside_scheduler = False
        self._thread = threading.get_ident()

    def order(self) -> int:
        """Number an event."""
        self.num_events += 1
        return self.num_events

    @property
    def step(self) -> int:
        """Updates so far."""
        return self.seen.steps.count

    def begin_phase(self) -> None:
        """Something new trains: its first updates are looked at closely, too."""
        if not self.is_start and self._num_phases < MOST_PHASES:
            self._num_phases += 1
            self._phase_at = self.step

    @property
    def steps_since(self) -> int:
        """Updates since a training began, the first or a later one."""
        return self.step - self._phase_at

    @property
    def is_start(self) -> bool:
        """Whether this is one of the first updates of what trains."""
        return self.steps_since < CLOSE

    @property
    def is_close(self) -> bool:
        """Whether this update is looked at closely: the first, and 10, 20, 50, 100."""
        if self.is_asked:
            return True
        if not self.step and (count := self.seen.backwards.count) > 50:
            return is_round(count)  # no update is ever made by an optimizer
        return self.is_start or is_round(self.step) or is_round(self.steps_since)

    def is_elsewhere(self) -> bool:
        """Tell another thread, and ``torch.jit.trace``.

        Two loops at a time would be taken for one; and what is done to look at tensors
        would be traced, too.
        """
        is_traced = torch._C._get_tracing_state() is not None
        return is_traced or threading.get_ident() != self._thread

    def quietly(self, function: Callable[..., Any], *args: Any) -> Any:
        """Look at numbers without being seen by one's own hooks, and never fail."""
        self.is_busy = True
        try:
            with torch.no_grad():
                return function(*args)
        except Exception:  # a tensor of a kind that has no such numbers
            return None
        finally:
            self.is_busy = False

    def inside_backward(self) -> contextlib.AbstractContextManager[None]:
        """Know that ``torch.autograd.backward`` is called by ``Tensor.backward``."""
        return self._inside("is_inside_backward")

    def inside_scheduler(self) -> contextlib.AbstractContextManager[None]:
        """Know that a schedule steps another one."""
        return self._inside("is_inside_scheduler")

    @contextlib.contextmanager
    def _inside(self, flag: str) -> Iterator[None]:
        if self.is_elsewhere():  # whose end would come between ours
            yield
            return
        before = getattr(self, flag)
        setattr(self, flag, True)
        try:
            yield
        finally:
            setattr(self, flag, before)


class Observer:
    """What notes the events of one kind."""

    def __init__(self, position: Position) -> None:
        self.position = position
        self.seen = position.seen
        self.order = position.order
        self.quietly = position.quietly

    @property
    def step(self) -> int:
        """Updates so far."""
        return self.position.step

    @property
    def is_close(self) -> bool:
        """Whether this update is looked at closely."""
        return self.position.is_close


def is_round(step: int) -> bool:
    """Tell whether a step is one of 10, 20, 50, 100, 200, 500, ...

    >>> [step for step in range(1, 300) if is_round(step)]
    [1, 2, 5, 10, 20, 50, 100, 200]
    """
    while step and step % 10 == 0:
        step //= 10
    return step in (1, 2, 5)


def info_of(tensor: Tensor) -> TensorInfo:
    """Tell what a tensor is, without its numbers."""
    return TensorInfo(
        tuple(n if type(n) is int else -1 for n in tensor.shape),
        str(tensor.dtype).removeprefix("torch."),
        tensor.device.type,
        tensor.requires_grad,
    )


def is_wrapped(tensor: Tensor) -> bool:
    """Tell a tensor of ``torch.func``, whose numbers cannot be looked at."""
    return bool(torch._C._functorch.is_functorch_wrapped_tensor(tensor))
