"""Optimizers that make updates in a loop of one's own and are not tracked."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from weakref import ref

from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook

__all__ = ["Strangers", "parameters_of"]

OPEN: list["Strangers"] = []
"""Those of all loops that are under way: a loop may stand inside of another one."""


@dataclass
class _Stranger:
    optimizer: "ref[Optimizer]"
    steps: set[int] = field(default_factory=set)
    """The steps of the loop in which it has made updates."""


class Strangers:
    """Hears of the updates of all optimizers in this thread.

    Args:
        own: The optimizers that are tracked.
        present: Optimizers that were there before the loop.
    """

    def __init__(self, own: Iterable[Optimizer], present: Iterable[Optimizer]) -> None:
        self._own = {id(optimizer): optimizer for optimizer in own}
        self._present = [ref(optimizer) for optimizer in present]
        self._thread = threading.get_ident()
        self.found: dict[int, _Stranger] = {}
        """Those that made updates, by their ``id``."""
        self._step = 0
        self.has_updated = False
        """Whether a tracked optimizer has made an update in the step at hand."""

    def begin_step(self) -> None:
        """Count a step of the loop."""
        self._step += 1
        self.has_updated = False

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Hear of updates, until the loop ends."""
        handle = register_optimizer_step_post_hook(self._after_update)
        OPEN.append(self)
        try:
            yield
        finally:
            OPEN.remove(self)
            handle.remove()

    def _after_update(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        key = id(optimizer)
        if key in self._own:
            self.has_updated = True
            return
        if threading.get_ident() != self._thread:
            return
        if any(key in other._own for other in OPEN):
            return
        stranger = self.found.get(key)
        if stranger is None or stranger.optimizer() is not optimizer:
            stranger = self.found[key] = _Stranger(ref(optimizer))
        stranger.steps.add(self._step)

    def to_refuse(self, parameters: set[int]) -> Optimizer | None:
        """Give an optimizer whose updates are lost in a resume; None without any.

        One that moves nothing tracked and lives for one step, as to score what a model
        has learned, loses nothing.

        Args:
            parameters: The ``id`` of each parameter that is tracked.
        """
        for key, stranger in list(self.found.items()):
            optimizer = stranger.optimizer()
            if optimizer is None:
                del self.found[key]
            elif (
                len(stranger.steps) > 1
                or any(before() is optimizer for before in self._present)
                or any(id(p) in parameters for p in parameters_of(optimizer))
            ):
                return optimizer
        return None


def parameters_of(optimizer: Optimizer) -> list[Any]:
    """Give all parameters that an optimizer holds."""
    return [p for group in optimizer.param_groups for p in group["params"]]
