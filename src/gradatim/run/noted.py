"""Digests of what is not saved: a new process notices where it is otherwise there."""

from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor, nn

from gradatim.data.why_inexact import GENERATORS
from gradatim.hooks import Callback
from gradatim.run.loose import Weights, fingerprint_of, moving_in

__all__ = ["Noted", "NotedOfCallbacks", "has_state"]


class Noted:
    """Digests by the names of the objects; a checkpoint has them.

    Attributes:
        digests: Those of now.
        why: What is said of each of these objects.
    """

    why = "not tracked"

    def __init__(self) -> None:
        self.digests: dict[str, str] = {}
        self._told: dict[str, str] | None = None
        """Those before the loop, and what was told of since."""

    def state_dict(self) -> dict[str, Any]:
        """Give the digests."""
        return dict(self.digests)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over nothing: :meth:`why_inexact` has compared."""

    def why_inexact(self, saved: Mapping[str, Any]) -> list[str]:
        """Say what was otherwise in a checkpoint."""
        return [
            f"{name} is {self.why} and not as it was"
            for name, digest in saved.items()
            if self.digests.get(name) != digest
        ]

    def news(self) -> list[str]:
        """Name what became other since the beginning; each once."""
        told = self._told or {}
        names = [n for n, digest in self.digests.items() if told.get(n) != digest]
        self._told = {**told, **{name: self.digests[name] for name in names}}
        return [f"{name} is {self.why} and changes" for name in names]


class NotedOfCallbacks(Noted):
    """Digests of tensors in the attributes of callbacks that save nothing.

    Schedules, averages and generators there are told of before training begins, by
    :func:`~gradatim.run.why_inexact.callbacks_why_inexact`.

    Args:
        callbacks: The callbacks by their names.
        modules: The modules of the run: their own tensors are saved.
    """

    why = "not saved"

    def __init__(
        self, callbacks: Mapping[str, Any], modules: Mapping[str, nn.Module]
    ) -> None:
        super().__init__()
        self._callbacks = callbacks
        self._modules = modules
        self.look()
        self._told = dict(self.digests)

    def look(self) -> None:
        """Note how the attributes are now."""
        places = Weights(self._modules.values()).places
        found = {name: fingerprint_of(value, places) for name, value in self._found()}
        self.digests = {name: digest for name, (_, digest) in found.items() if digest}

    def _found(self) -> Iterator[tuple[str, Any]]:
        for name, callback in self._callbacks.items():
            if has_state(callback):
                continue
            for key, value in list(getattr(callback, "__dict__", {}).items()):
                is_told = hasattr(value, "load_state_dict")
                if isinstance(value, Tensor):
                    yield f"{name}.{key}", value
                elif not (is_told or isinstance(value, GENERATORS)):
                    yield from moving_in(f"{name}.{key}", value)


def has_state(callback: Any) -> bool:
    """Tell whether a callback saves something."""
    state_dict = getattr(type(callback), "state_dict", Callback.state_dict)
    return state_dict is not Callback.state_dict
