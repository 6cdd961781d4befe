"""Ctrl-C ends a training after the step at hand, so that no update is half done."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Protocol, runtime_checkable

__all__ = ["Stoppable", "stop_on_ctrl_c"]


@runtime_checkable
class Stoppable(Protocol):
    """What can be asked to stop."""

    def stop(self, reason: str) -> None:
        """Stop at the next step's end."""


@contextlib.contextmanager
def stop_on_ctrl_c(training: Stoppable) -> Iterator[None]:
    """Turn the first Ctrl-C into ``training.stop("interrupted")``.

    The second one raises ``KeyboardInterrupt`` as ever. Only Python's own handler is
    replaced, and only in the main thread: a handler of the program's stays its own.
    """
    ours = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
    if not ours:
        yield
        return

    def handle(signum: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        training.stop("interrupted")

    signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is handle:
            signal.signal(signal.SIGINT, signal.default_int_handler)
