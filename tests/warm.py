"""Processes forked from a warm one, which has imported much and done nothing yet.

Importing PyTorch takes seconds, so many tests share one process that has. It is started
anew, not forked from pytest: annotations are not checked in it, and no test has left
anything there.
"""

import multiprocessing
import sys
import types
from multiprocessing.context import ForkServerContext, ForkServerProcess

import torch

__all__ = ["WARM", "begin"]


class _Process(ForkServerProcess):
    """A process that knows nothing of what this one runs as its main program.

    It would run that file first; a test of the course leaves the name of a chapter
    there that is gone by then.
    """

    def start(self):
        main = sys.modules["__main__"]
        sys.modules["__main__"] = types.ModuleType("__main__")
        try:
            super().start()
        finally:
            sys.modules["__main__"] = main


class _Context(ForkServerContext):
    Process = _Process


WARM = _Context()
WARM.set_forkserver_preload(
    [
        "tests.doctor.watched_programs",
        "tests.cli.process",
        "tests.faults.stopping",
        "gradatim.cli.fit",
        "gradatim.cli.resume",
        "torch._dynamo",  # which the first optimizer imports, in more than a second
    ]
)


def begin():
    """Let a process forked from the warm one begin as a new interpreter does."""
    # It has been told to start processes of its own as it was started itself.
    multiprocessing.set_start_method(None, force=True)
    torch.set_num_threads(1)
