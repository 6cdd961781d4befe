"""Many short trainings: in memory, and without checks of types."""

from concurrent.futures import ProcessPoolExecutor

import pytest

from tests.faults.stopping import begin_strictly
from tests.memory import in_memory
from tests.warm import WARM


@pytest.fixture(autouse=True)
def _quick(unchecked):
    """Twenty times as fast, as a checkpoint's values are checked one by one."""


@pytest.fixture
def folder(tmp_path):
    """Where fsync takes no time."""
    yield from in_memory(tmp_path)


@pytest.fixture(scope="module")
def warm():
    """Call a function in a small process, of which another one is soon forked."""
    with ProcessPoolExecutor(1, mp_context=WARM, initializer=begin_strictly) as process:
        yield lambda function, *given: process.submit(function, *given).result()
