"""Signals end a training after the step at hand, so that no update is half done."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any, NoReturn, Protocol, runtime_checkable

__all__ = [
    "INTERRUPTED",
    "TERMINATED",
    "Stoppable",
    "exit_on_sigterm",
    "stop_on_ctrl_c",
    "stop_on_sigterm",
]

INTERRUPTED, TERMINATED = "interrupted", "terminated"
"""The reasons to stop that Ctrl-C and SIGTERM give."""


@runtime_checkable
class Stoppable(Protocol):
    """What can be asked to stop, at any instant."""

    def request_stop(self, reason: str) -> None:
        """Stop at the next step's end."""


@contextlib.contextmanager
def stop_on_ctrl_c(training: Stoppable) -> Iterator[None]:
    """Turn the first Ctrl-C into ``training.request_stop("interrupted")``.

    The second one raises ``KeyboardInterrupt`` as ever. Only Python's own handler is
    replaced, and only in the main thread: a handler of the program's stays its own.
    Of one training within another, both are asked to stop.
    """
    with _handled(signal.SIGINT, training, INTERRUPTED, signal.default_int_handler):
        yield


@contextlib.contextmanager
def stop_on_sigterm(training: Stoppable) -> Iterator[None]:
    """Turn the first SIGTERM into ``training.request_stop("terminated")``.

    The second one ends the process at once. As above, the program's own handler stays.
    """
    if hasattr(signal, "SIGTERM"):
        replaced = (signal.SIG_DFL, exit_on_sigterm)
        with _handled(signal.SIGTERM, training, TERMINATED, *replaced):
            yield
    else:
        yield


def exit_on_sigterm(signum: int, frame: FrameType | None) -> NoReturn:
    """Handle SIGTERM by an exception, so that what is half written gets removed."""
    raise SystemExit(128 + signum)


@contextlib.contextmanager
def _handled(
    number: int, training: Stoppable, reason: str, *replaced: object
) -> Iterator[None]:
    """Let the first signal ask for a stop, where one of ``replaced`` handles it now."""
    is_main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(number)
    if not is_main or not (before in replaced or isinstance(before, _Handler)):
        yield
        return
    handler = _Handler(training, reason, before)
    signal.signal(number, handler)
    try:
        yield
    finally:
        if signal.getsignal(number) is handler:
            signal.signal(number, before)


class _Handler:
    """Ask for a stop once; the next signal is handled as before.

    Another one may be in place: of a training around this one, or of a loop that an
    error left half done in a notebook, which still keeps it.
    """

    def __init__(self, training: Stoppable, reason: str, before: Any) -> None:
        self.training = training
        self.reason = reason
        self.around = before if isinstance(before, _Handler) else None
        self.before: Any = self.around.before if self.around else before

    def __call__(self, signum: int, frame: FrameType | None) -> None:
        signal.signal(signum, self.before)
        handler: _Handler | None = self
        while handler is not None:
            handler.training.request_stop(handler.reason)
            handler = handler.around
