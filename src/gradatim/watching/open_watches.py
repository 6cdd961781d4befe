"""Which watches are open, and which of them see what happens now.

PyTorch is patched once, however many watches are open: the first one in installs the
patches, the last one out puts everything back. So watches may be closed in any order,
in any thread, by an exception or by the garbage collector. A patch hands what happens
to the watches of its thread:

- A watch sees what the thread does that opened it, as long as it is open.
- A watch that was opened inside a generator or a coroutine, which its caller has set
  aside, does not see what another watch of the thread sees meanwhile.
- While a watch computes something of its own, no watch sees it.
"""

import inspect
import operator
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any, NamedTuple

from gradatim.watching.source_lines import is_user_file
from gradatim.watching.watcher import Watcher

__all__ = ["EVERYONE", "Everyone", "OpenWatch", "OpenWatches", "watches_here"]

SET_ASIDE = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
"""Flags of code whose frame can be left and entered again."""


class _Here:
    """The open watches of one thread. Any thread may close one of them."""

    watches: tuple["OpenWatch", ...] = ()
    """In the order of opening; never changed, but replaced by another tuple."""
    watchers: tuple[Watcher, ...] = ()
    """Their watchers, so that none need be looked up at each event."""

    def put(self, watches: tuple["OpenWatch", ...]) -> None:
        """Let these watches be the open ones."""
        self.watchers = tuple(watch.watcher for watch in watches)
        self.watches = watches


class OpenWatch(NamedTuple):
    """A watch that is open, with where it was opened."""

    watcher: Watcher
    here: _Here
    """The watches of the thread that opened it."""
    frame: FrameType | None
    """The user's generator or coroutine that opened it; None for any other code."""

    def is_running(self) -> bool:
        """Say whether the code that opened the watch is not set aside."""
        return self.frame is None or self.frame.f_back is not None


class _Local(threading.local):
    """Gives each thread its own watches, as soon as it asks."""

    def __init__(self) -> None:
        self.here = _Here()


_local = _Local()


def watches_here() -> Sequence[Watcher]:
    """Give the watchers that see what this thread does now."""
    here = _local.here
    if len(here.watches) < 2:
        return here.watchers
    seeing = [watch.watcher for watch in here.watches if watch.is_running()]
    seeing = seeing or list(here.watchers)
    computing = [watcher for watcher in seeing if watcher.position.is_busy]
    return computing or seeing


class Everyone:
    """Stands for one observer, or its method, in all watches that see what happens.

    Args:
        path: Where the observer is found in a watcher, such as ``losses.backward``.
    """

    def __init__(self, path: str = "") -> None:
        self._path = path
        self._in = operator.attrgetter(path) if path else None

    def __getattr__(self, name: str) -> "Everyone":
        return Everyone(f"{self._path}.{name}".lstrip("."))

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        """Call the method in every such watch."""
        assert self._in is not None
        for watcher in watches_here():
            self._in(watcher)(*args, **kwargs)


EVERYONE: Any = Everyone()


class OpenWatches:
    """Opens and closes watches, one change at a time.

    Args:
        install: Called when the first watch opens; gives what undoes it.
    """

    def __init__(self, install: Callable[[], Callable[[], None]]) -> None:
        self._install = install
        self._undo: Callable[[], None] | None = None
        self._num_open = 0
        self._changes: deque[Callable[[], None]] = deque()
        # The thread that has it may ask again: see _change.
        self._lock = threading.RLock()
        self._changing_thread = 0

    def open(self, watcher: Watcher) -> OpenWatch:
        """Let a watcher see what this thread does from now on."""
        watch = OpenWatch(watcher, _local.here, _frame_of_opening())
        self._change(lambda: self._add(watch))
        return watch

    def close(self, watch: OpenWatch) -> None:
        """Let a watcher see no more; any thread may call this."""
        self._change(lambda: self._remove(watch))

    def _change(self, change: Callable[[], None]) -> None:
        """Make a change when no other is being made.

        Python may collect garbage at any moment of this, and so close an abandoned
        watch in the same thread. In the midst of a change that one is left to be made
        next. If it comes after the last change and before the mark is taken away, it is
        found by looking once more.
        """
        self._changes.append(change)
        if self._changing_thread == threading.get_ident():
            return
        while True:
            with self._lock:
                self._changing_thread = threading.get_ident()
                try:
                    while self._changes:
                        self._changes.popleft()()
                finally:
                    self._changing_thread = 0
            if not self._changes:
                return

    def _add(self, watch: OpenWatch) -> None:
        if self._undo is None:
            self._undo = self._install()
        self._num_open += 1
        watch.here.put((*watch.here.watches, watch))
        watch.watcher.seen.is_open = True

    def _remove(self, watch: OpenWatch) -> None:
        watch.watcher.seen.is_open = False
        watch.here.put(tuple(w for w in watch.here.watches if w is not watch))
        self._num_open -= 1
        if not self._num_open and self._undo is not None:
            undo, self._undo = self._undo, None
            undo()


def _frame_of_opening() -> FrameType | None:
    """Give the user's generator or coroutine that opens a watch; None for other code.

    A generator that a library drives, as ``contextlib`` and pytest do, is a way to
    write a ``with`` block: what its caller does belongs to it.
    """
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and not is_user_file(frame.f_code.co_filename):
        frame = frame.f_back
    if frame is None or not frame.f_code.co_flags & SET_ASIDE:
        return None
    if frame.f_code.co_flags & inspect.CO_COROUTINE:
        return frame
    caller = frame.f_back
    is_driven = caller is None or not is_user_file(caller.f_code.co_filename)
    return None if is_driven else frame
