"""How far the watched program is: what observers ask before they look."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import torch

from gradatim.torch_private import tracing_state

__all__ = ["MOST_OBJECTS", "Observer", "Position"]

NUM_CLOSE_UPDATES = 5  # at a training's start: chosen by hand, not measured
MOST_PHASES = 20  # trainings of one program: chosen by hand, not measured
MOST_OBJECTS = 200  # noted, of one kind: chosen by hand, not measured
BACKWARDS_WITHOUT_UPDATE = 50  # then none is expected: chosen by hand, not measured


class Position:
    """Counts what happens in a program; the observers of a watch share one position."""

    def __init__(self) -> None:
        self.num_events = 0  # events that were numbered
        self.num_updates = 0  # updates that the optimizers have made
        self.num_backwards = 0  # calls of ``backward``
        self.is_asked = False  # somebody asks for a close look at what comes now
        self.is_lean = False  # look at less: beside a trainer, whose loop is known
        self.has_new_mode = False  # ``train`` or ``eval`` came since the last forward
        self.is_busy = False  # the watch itself is computing, which is not to be noted
        self.recomputes = False  # a backward calls modules again, as checkpointing does
        self.is_inside_backward = False  # a backward is running
        self.is_inside_scheduler = False  # a learning-rate schedule is stepping
        self._phase_begin_update = 0
        self._num_phases = 0
        self._thread = threading.get_ident()

    def order(self) -> int:
        """Number an event."""
        self.num_events += 1
        return self.num_events

    def begin_phase(self) -> None:
        """Look closely again: something new is trained, such as a second model."""
        if not self.is_start and self._num_phases < MOST_PHASES:
            self._num_phases += 1
            self._phase_begin_update = self.num_updates

    @property
    def updates_of_phase(self) -> int:
        """How many updates were made since a training began, the first or a later."""
        return self.num_updates - self._phase_begin_update

    @property
    def is_start(self) -> bool:
        """Whether this is one of the first updates of a training."""
        return self.updates_of_phase < NUM_CLOSE_UPDATES

    @property
    def is_close(self) -> bool:
        """Whether this update gets a close look: the first ones, and 10, 20, 50, ..."""
        if self.is_asked:
            return True
        count = self.num_backwards
        if not self.num_updates and count > BACKWARDS_WITHOUT_UPDATE:
            return is_round(count)  # no optimizer ever makes an update
        if self.is_start:
            return True
        return is_round(self.num_updates) or is_round(self.updates_of_phase)

    def is_elsewhere(self) -> bool:
        """Tell another thread, and ``torch.jit.trace``.

        Two loops at a time would be taken for one. What the watch computes of tensors
        would become part of the trace.
        """
        is_traced = tracing_state() is not None
        return is_traced or threading.get_ident() != self._thread

    def quietly(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call a function that looks at numbers, unnoticed; give None if it fails."""
        self.is_busy = True
        try:
            with torch.no_grad():
                return function(*args)
        except Exception:  # a tensor of a kind that has no such numbers
            return None
        finally:
            self.is_busy = False

    @contextlib.contextmanager
    def inside(self, flag: str) -> Iterator[None]:
        """Set a flag while a backward, or a schedule, calls others of its kind."""
        if self.is_elsewhere():  # its end would come between begin and end of ours
            yield
            return
        before = getattr(self, flag)
        setattr(self, flag, True)
        try:
            yield
        finally:
            setattr(self, flag, before)


class Observer:
    """What notes the events of one kind in a record of its own."""

    def __init__(self, position: Position) -> None:
        self.position = position
        self.order = position.order
        self.quietly = position.quietly

    @property
    def step(self) -> int:
        """How many updates were made so far."""
        return self.position.num_updates

    @property
    def is_close(self) -> bool:
        """Whether this update gets a close look."""
        return self.position.is_close


def is_round(count: int) -> bool:
    """Tell whether a count is one of 1, 2, 5, 10, 20, 50, 100, 200, ...

    >>> [count for count in range(300) if is_round(count)]
    [1, 2, 5, 10, 20, 50, 100, 200]
    """
    while count and count % 10 == 0:
        count //= 10
    return count in (1, 2, 5)
