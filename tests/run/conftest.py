"""The runs that some tests of run folders read, and where the others are written."""

import pytest

from tests.memory import in_memory
from tests.trained_runs import trained

__all__ = ["trained"]


@pytest.fixture
def tmp_path(tmp_path):
    """A checkpoint waits several times for the disk, and these tests write hundreds."""
    yield from in_memory(tmp_path)
