"""What every test starts from."""

import contextlib
import ctypes
import gc
import random
import signal

import jaxtyping
import numpy as np
import pytest
import torch
from hypothesis import settings

# Seeds are fixed, and no test is timed.
settings.register_profile("suite", deadline=None, derandomize=True)
settings.load_profile("suite")

# A shell that starts the suite in the background has it ignore Ctrl-C, and `nohup` a
# closed terminal; the commands that the tests start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


# While tests are collected there is hardly any garbage; looking for it takes seconds.
gc.disable()


def pytest_collection_finish():
    """Leave what stays until the end out of every later search for garbage.

    In a forked process a search would copy all of it.
    """
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="module", autouse=True)
def _freed_memory_given_back():
    """Give back to the system what the threads of a test's file have freed.

    glibc keeps it, up to a gigabyte, and many tests fork: a large process slowly.
    """
    yield
    with contextlib.suppress(AttributeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


@pytest.fixture(autouse=True)
def _seeds_and_one_thread():
    torch.set_num_threads(1)
    torch.manual_seed(0)
    np.random.seed(0)
    random.seed(0)


@pytest.fixture
def unchecked():
    """As a user has it: no annotation is checked, so that our own check is met."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def pytest_terminal_summary(terminalreporter):
    """Say once what was left out for want of a program; ``-q`` shows only an s."""
    reasons = {
        str(report.longrepr[2]).removeprefix("Skipped: ")
        for report in terminalreporter.stats.get("skipped", [])
        if isinstance(report.longrepr, tuple) and " left out: " in report.longrepr[2]
    }
    for reason in sorted(reasons):
        terminalreporter.write_line(reason)
