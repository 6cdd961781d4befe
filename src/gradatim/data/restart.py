"""Going back to the start of an epoch, where its order was drawn."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch

from gradatim.rng import check_generator_state, keeping_rng, rng_state, set_rng_state

__all__ = ["Restart", "own_generators"]


class Restart:
    """The random generators of an epoch: as they were at its start, and as they are.

    Args:
        generators: Gives the generators, besides the global ones, that are drawn from.
    """

    def __init__(self, generators: Callable[[], list[torch.Generator]]) -> None:
        self._generators = generators
        self._at_start: dict[str, Any] | None = None
        """The generators at the epoch's start, the global ones (``rng``) among them."""
        self._loaded: list[Any] = []

    @contextlib.contextmanager
    def drawing(self, start: int, *, restartable: bool) -> Iterator[None]:
        """Draw the order of an epoch, at its start or once more.

        Args:
            start: 0 at the start of an epoch, whose states are noted. Otherwise what is
                drawn inside is drawn from those states, and all is put back at the end.
            restartable: Whether the states will be asked for.
        """
        if not start:
            if restartable:
                self._at_start = self.now()
            yield
            return
        now = rng_state()
        try:
            self._go_to_start()
            yield
        finally:  # also where a signal ends it
            if self._at_start is not None:
                self._set(self._loaded)
            set_rng_state(now)

    def state_dict(self) -> dict[str, Any]:
        """Give the states at the start of the epoch, and those of now."""
        return {"began": self._at_start, "generators": self._states()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over the states, unless they are those of other generators."""
        states = state.get("generators")
        if states is not None and len(states) == len(self._generators()):
            self._at_start, self._loaded = state["began"], states
            with keeping_rng():  # a wrong state raises here, not in the epoch
                self._go_to_start()
            self._set(states)

    def now(self) -> dict[str, Any]:
        """Give the states of all generators as they are, for :meth:`put_back`."""
        return {"rng": rng_state(), "generators": self._states()}

    def put_back(self, states: dict[str, Any]) -> None:
        """Put all generators back to what :meth:`now` gave."""
        set_rng_state(states["rng"])
        self._set(states["generators"])

    def _go_to_start(self) -> None:
        if self._at_start is not None:
            self.put_back(self._at_start)

    def _states(self) -> list[Any]:
        return [generator.get_state() for generator in self._generators()]

    def _set(self, states: list[Any]) -> None:
        for generator, state in zip(self._generators(), states, strict=True):
            check_generator_state(state)
            generator.set_state(state)


def own_generators(loader: Any) -> list[torch.Generator]:
    """Find the generators of a loader or sampler, and of what it draws its rows from.

    One that is shared comes once.
    """
    sampler = getattr(loader, "sampler", None)
    batch_sampler = getattr(loader, "batch_sampler", None)
    inner = getattr(batch_sampler, "sampler", None)
    owners = (loader, sampler, batch_sampler, inner)
    generators = (getattr(owner, "generator", None) for owner in owners)
    return list(dict.fromkeys(g for g in generators if isinstance(g, torch.Generator)))
