"""Signals end a training after the step at hand, so that no update is half done.

A signal may reach a whole group of processes: Ctrl-C in a terminal does, and so do most
programs that end a job. Then it ends the workers of a ``DataLoader`` as well. So a
training that waits for a batch of theirs leaves that fetch at once, but not where it
holds a lock, which nobody would let go of. PyTorch's handler of SIGCHLD, which raises
an error when a worker dies, is put away from the signal on to the end of the training.

Elsewhere in a command they raise an exception, but not in the midst of an import: a
library that is imported halfway fails later, ends the process in its C++ code, or
catches the exception and goes on.
"""

import _thread
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from types import FrameType
from typing import Any, ClassVar, Protocol, runtime_checkable

__all__ = [
    "INTERRUPTED",
    "OUT_OF_TIME",
    "TERMINATED",
    "UNFINISHED",
    "FetchStopped",
    "Stoppable",
    "exit_on_sigterm",
    "exiting_on",
    "leave_on_signal",
    "raising_after_imports",
    "stop_on_ctrl_c",
    "stop_on_sigterm",
]

INTERRUPTED = "interrupted"
"""The reason to stop that Ctrl-C gives."""

TERMINATED = "terminated"
"""The reason to stop that SIGTERM gives."""

OUT_OF_TIME = "time limit"
"""The reason to stop that a limit of time gives."""

UNFINISHED = (INTERRUPTED, TERMINATED, OUT_OF_TIME)
"""Reasons to stop from which a run goes on."""

LONGEST_IMPORT_S = 5.0
"""A signal waits no longer for the end of an import: that of PyTorch takes 1 to 2 s."""
POSTPONED_S = 0.02
"""A signal that waits is sent again after this time. Chosen by hand, not measured."""

LOADERS = "torch.utils.data._utils.signal_handling"
"""The module of PyTorch's handler of SIGCHLD. If it is renamed, a worker that a signal
to a whole group ends is an error, which may come before the training has stopped."""

WAITS = {("selectors", "select"), ("threading", "wait")}
"""Modules and functions in which a fetch waits, and may be left."""

LOCKING = ("multiprocessing.", "threading")
"""Modules in whose other functions it may hold a lock."""

DEAD_WORKER = "DataLoader worker"
"""How PyTorch's errors about a worker that is gone begin."""

GRACE_S = 0.5
"""After a worker has died, a signal to this process is waited for so long: who sends it
to one process after the other may begin with the workers. Chosen by hand, not
measured."""


class FetchStopped(BaseException):
    """A training was asked to stop while it waited for a batch.

    No ``Exception``: a loader's own code must not take it for an error of its data.
    As long as this object is held, the loader lives; its end may wait for its workers.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@runtime_checkable
class Stoppable(Protocol):
    """A training that can be asked to stop at any instant."""

    def request_stop(self, reason: str) -> None:
        """Stop at the end of the step at hand."""


def stop_on_ctrl_c(training: Stoppable) -> AbstractContextManager[None]:
    """Turn the first Ctrl-C into ``training.request_stop("interrupted")``.

    The second Ctrl-C raises ``KeyboardInterrupt`` as ever. Only Python's own handler is
    replaced, and only in the main thread: a handler that the program has set stays.
    Where one training runs inside another, both are asked to stop.
    """
    replaced = (signal.default_int_handler, _interrupt)
    return _handled(signal.SIGINT, training, INTERRUPTED, *replaced)


def stop_on_sigterm(training: Stoppable) -> AbstractContextManager[None]:
    """Turn the first SIGTERM into ``training.request_stop("terminated")``.

    The second SIGTERM ends the process at once. A handler that the program has set
    stays.
    """
    if not hasattr(signal, "SIGTERM"):
        return contextlib.nullcontext()
    replaced = (signal.SIG_DFL, exit_on_sigterm)
    return _handled(signal.SIGTERM, training, TERMINATED, *replaced)


def exit_on_sigterm(signum: int, frame: FrameType | None) -> None:
    """Handle SIGTERM by an exception, so that what is half written gets removed."""
    if not _postponed(signum, frame):
        raise SystemExit(128 + signum)


def _interrupt(signum: int, frame: FrameType | None) -> None:
    """Handle Ctrl-C as Python does, but after imports."""
    if not _postponed(signum, frame):
        raise KeyboardInterrupt


_waiting_since: float | None = None


def _postponed(signum: int, frame: FrameType | None) -> bool:
    """Say whether a signal comes in the midst of an import, and send it again later."""
    global _waiting_since
    while frame is not None and frame.f_code.co_name != "_find_and_load":
        frame = frame.f_back
    now = time.monotonic()
    since = now if _waiting_since is None else _waiting_since
    if frame is None or now - since > LONGEST_IMPORT_S:
        _waiting_since = None
        return False
    _waiting_since = since
    # Not by the module threading: the signal may have come while it has its lock.
    _thread.start_new_thread(_send_again, (signum,))
    return True


def _send_again(signum: int) -> None:
    time.sleep(POSTPONED_S)
    os.kill(os.getpid(), signum)


@contextlib.contextmanager
def raising_after_imports() -> Iterator[None]:
    """Let Ctrl-C raise ``KeyboardInterrupt`` as ever, but not in an import."""
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler or not _is_main():
        yield
        return
    with _in_place_of(before, signal.SIGINT, _interrupt):
        yield


@contextlib.contextmanager
def exiting_on(name: str) -> Iterator[None]:
    """Let a signal raise ``SystemExit`` where nothing handles it; then put that back.

    Only the main thread can handle signals: in another one nothing changes.

    Args:
        name: Of the signal, such as ``"SIGTERM"``. The system may lack it.
    """
    number = getattr(signal, name, None)
    if number is None or signal.getsignal(number) != signal.SIG_DFL or not _is_main():
        yield
        return
    with _in_place_of(signal.SIG_DFL, number, exit_on_sigterm):
        yield


@contextlib.contextmanager
def _handled(
    number: int, training: Stoppable, reason: str, *replaced: object
) -> Iterator[None]:
    """Let the first signal ask for a stop, if one of ``replaced`` handles it so far."""
    before = signal.getsignal(number)
    if not _is_main() or not (before in replaced or isinstance(before, _Handler)):
        yield
        return
    handler = _Handler(training, reason, before)
    try:
        with _in_place_of(before, number, handler):
            yield
    finally:
        handler.end()


def _is_main() -> bool:
    return threading.current_thread() is threading.main_thread()


@contextlib.contextmanager
def _in_place_of(before: Any, number: int, handler: Any) -> Iterator[None]:
    """Handle a signal in another way for a while, unless somebody changes that."""
    signal.signal(number, handler)
    try:
        yield
    finally:
        if signal.getsignal(number) is handler:
            signal.signal(number, before)


class _Handler:
    """Ask for a stop once; the next signal is handled as before.

    Another handler of this kind may be in place already: that of a training around this
    one, or of a loop in a notebook that an error has left half done.
    """

    num_open: ClassVar[int] = 0
    """Handlers that have not ended."""
    called: ClassVar[list["_Handler"]] = []
    """Those of them that were called: their trainings are to stop."""
    fetching: ClassVar[bool] = False
    """Whether the main thread waits in a fetch that may be left."""

    def __init__(self, training: Stoppable, reason: str, before: Any) -> None:
        self.training = training
        self.reason = reason
        self.around = before if isinstance(before, _Handler) else None
        self.before: Any = self.around.before if self.around else before
        self.process = os.getpid()
        self.of_children: Any = None
        """PyTorch's handler of SIGCHLD, where this one has put it away."""
        _Handler.num_open += 1

    def __call__(self, signum: int, frame: FrameType | None) -> None:
        signal.signal(signum, self.before)
        handler: _Handler | None = self
        while handler is not None:
            handler.training.request_stop(handler.reason)
            handler = handler.around
        if os.getpid() != self.process:  # a worker that was forked with this handler
            return
        self._put_away_the_handler_of_children()
        _Handler.called.append(self)
        if not _Handler.fetching:
            return
        if self.of_children is None or _may_be_left(frame):
            _Handler.fetching = False
            raise FetchStopped(self.reason)
        _thread.start_new_thread(_look_again, (_thread.get_ident(),))

    def _put_away_the_handler_of_children(self) -> None:
        number = getattr(signal, "SIGCHLD", None)
        if number is None:
            return
        handler = signal.getsignal(number)
        if getattr(handler, "__module__", None) == LOADERS:
            self.of_children = handler
            signal.signal(number, _leave_fetch)

    def end(self) -> None:
        """End the training's hold on signals, now that it has stopped."""
        _Handler.num_open -= 1
        if self in _Handler.called:
            _Handler.called.remove(self)
        if self.of_children is None:
            return
        from gradatim.torch_private import forget_dead_workers

        # PyTorch's handler would raise for workers that are known to be dead.
        forget_dead_workers()
        if signal.getsignal(signal.SIGCHLD) == _leave_fetch:
            signal.signal(signal.SIGCHLD, self.of_children)


def _may_be_left(frame: FrameType | None) -> bool:
    """Tell whether a fetch holds no lock where a signal has met it."""
    if frame is not None and (_module_of(frame), frame.f_code.co_name) in WAITS:
        return True
    while frame is not None and frame.f_code is not _fetched.__code__:
        if _module_of(frame).startswith(LOCKING):
            return False
        frame = frame.f_back
    return True


def _module_of(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))


def _leave_fetch(signum: int, frame: FrameType | None) -> None:
    """Handle SIGCHLD, once a training is to stop: its fetch is left where it may be."""
    if _Handler.fetching and _Handler.called and _may_be_left(frame):
        _Handler.fetching = False
        raise FetchStopped(_Handler.called[-1].reason)


def _look_again(main: int) -> None:
    """Interrupt a fetch in the main thread until it is left, or gives its batch."""
    while _Handler.fetching:
        time.sleep(POSTPONED_S)
        if _Handler.fetching:
            signal.pthread_kill(main, signal.SIGCHLD)


_END = object()


def leave_on_signal(batches: Iterator[Any], *, at_once: bool = True) -> Iterator[Any]:
    """Go through batches that other processes fetch, in a training.

    Args:
        batches: They may be left in the middle of a fetch: nothing that counts is moved
            by it in this process.
        at_once: False waits for the fetch, and leaves it only if it fails.

    Raises:
        FetchStopped: A signal asked for a stop.
    """
    try:
        while (batch := _fetched(batches, at_once=at_once)) is not _END:
            yield batch
    finally:
        if _Handler.called:  # before the end of a loader waits for workers
            from gradatim.torch_private import forget_dead_workers

            forget_dead_workers(sys.exception())


def _fetched(batches: Iterator[Any], *, at_once: bool) -> Any:
    """Fetch a batch, or give ``_END``."""
    if not _is_main():
        return next(batches, _END)
    try:
        if at_once:
            _Handler.fetching = True
            _stop_if_called()
        try:
            return next(batches, _END)
        except (RuntimeError, ConnectionError, EOFError) as error:
            # A worker that dies as it sends a tensor breaks a connection.
            is_plain = isinstance(error, RuntimeError)
            if is_plain and not str(error).startswith(DEAD_WORKER):
                raise
            if not _Handler.num_open:
                raise
            if not _Handler.called:
                _Handler.fetching = True
                time.sleep(GRACE_S)
            _stop_if_called()
            raise
    finally:
        _Handler.fetching = False


def _stop_if_called() -> None:
    if _Handler.called:
        raise FetchStopped(_Handler.called[-1].reason)
