"""Processes forked from a warm one, which has imported much and done nothing yet.

Importing PyTorch takes seconds, so many tests share one process that has. It is started
anew, not forked from pytest: annotations are not checked in it, and no test has left
anything there.
"""

import multiprocessing

__all__ = ["WARM"]

WARM = multiprocessing.get_context("forkserver")
WARM.set_forkserver_preload(
    [
        "tests.doctor.watched_programs",
        "tests.cli.process",
        "gradatim.cli.fit",
        "gradatim.cli.resume",
        "torch._dynamo",  # which the first optimizer imports, in more than a second
    ]
)
