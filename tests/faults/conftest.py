"""Many short trainings: in memory, and without checks of types."""

import os
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from tests.faults.stopping import begin_strictly
from tests.warm import WARM

MEMORY = "/dev/shm"


@pytest.fixture(autouse=True)
def _quick(unchecked):
    """Twenty times as fast, as a checkpoint's values are checked one by one."""


@pytest.fixture
def folder(tmp_path):
    """Where fsync takes no time; what a kill or an error leaves there is the same."""
    if not os.access(MEMORY, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=MEMORY) as path:
        yield Path(path)


@pytest.fixture(scope="module")
def warm():
    """Call a function in a small process, of which another one is soon forked."""
    with ProcessPoolExecutor(1, mp_context=WARM, initializer=begin_strictly) as process:
        yield lambda function, *given: process.submit(function, *given).result()
