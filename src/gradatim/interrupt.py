"""Signals end a training after the step at hand, so that no update is half done."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn, Protocol, runtime_checkable

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
    if not is_main or before not in replaced:
        yield
        return

    def handle(signum: int, frame: FrameType | None) -> None:
        signal.signal(number, before)
        training.request_stop(reason)

    signal.signal(number, handle)
    try:
        yield
    finally:
        if signal.getsignal(number) is handle:
            signal.signal(number, before)
