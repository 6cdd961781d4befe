"""Notes whether graphs of earlier updates are still alive."""

import weakref
from typing import Any

from torch.autograd.graph import Node as Function

from gradatim.watching.position import Observer, Position

__all__ = ["GraphsKept"]

MOST_UPDATES = 200  # whose graphs are followed: chosen by hand, not measured
COUNTED_AT = (20, 50, 100, 150)
"""Updates after which living graphs are counted: chosen by hand, not measured."""


class _Alive:
    """What lies with the first node of a graph, and is gone when the graph is."""

    __slots__ = ("__weakref__",)


class GraphsKept(Observer):
    """Sees the graphs of losses, and counts those that are not let go."""

    def __init__(self, position: Position) -> None:
        super().__init__(position)
        self.record: list[tuple[int, int]] = []
        """Updates done, and how many graphs of earlier updates were alive then."""
        self._alive: list[weakref.ref[_Alive]] = []

    def on_backward(self, root: Function) -> None:
        """A backward begins at a node: mark the node, to know when it is gone."""
        if self.step < MOST_UPDATES:
            alive = _Alive()
            metadata: Any = root.metadata
            metadata["gradatim"] = alive
            self._alive.append(weakref.ref(alive))

    def on_step(self) -> None:
        """An update was made."""
        if self.step in COUNTED_AT:
            num_alive = sum(1 for ref in self._alive if ref() is not None)
            self.record.append((self.step, num_alive))
