"""What a training that an error breaks off has not done, when its state is saved."""

from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any

from gradatim.hooks import hooks_of
from gradatim.run.noted import has_state

__all__ = ["callback_at_fault", "called_in_vain", "not_called"]


def callback_at_fault(error: BaseException, callbacks: Iterable[Any]) -> Any:
    """Give the callback in whose hook an error was raised; None for another place."""
    callbacks = list(callbacks)
    for frame in _frames(error.__traceback__):
        owner = frame.f_locals.get("self")
        if any(owner is callback for callback in callbacks):
            return owner
    return None


def _frames(traceback: TracebackType | None) -> Iterator[Any]:
    while traceback is not None:
        yield traceback.tb_frame
        traceback = traceback.tb_next


def not_called(
    at_fault: Any, callbacks: Iterable[Any], hooks: Iterable[str]
) -> list[str]:
    """Name the callbacks with a state that were not called, or not to the end.

    Args:
        at_fault: The callback that raised the error.
        callbacks: Those of the training that a run saves.
        hooks: The hooks that were being called, in their order.
    """
    found = hooks_of(callbacks)
    owners = [hook.callback for name in hooks for hook in found[name]]
    first = next((i for i, owner in enumerate(owners) if owner is at_fault), 0)
    return _names_with_state(owners[first:])


def called_in_vain(callbacks: Iterable[Any], hooks: Iterable[str]) -> list[str]:
    """Name the callbacks that may have been called, and will be called once more."""
    found = hooks_of(callbacks)
    return _names_of(hook.callback for name in hooks for hook in found[name])


def _names_with_state(owners: Iterable[Any]) -> list[str]:
    return _names_of(o for o in owners if has_state(o) or hasattr(o, "scheduler"))


def _names_of(owners: Iterable[Any]) -> list[str]:
    """Name callbacks by their classes, but for those that only watch."""
    moving = (owner for owner in owners if not getattr(owner, "only_watches", False))
    return list(dict.fromkeys(type(owner).__name__ for owner in moving))
