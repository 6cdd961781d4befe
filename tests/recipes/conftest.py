"""Where the programs write what they save."""

import pytest

from tests.memory import in_memory


@pytest.fixture
def tmp_path(tmp_path):
    """Some of them write a checkpoint after each epoch, and wait for the disk."""
    yield from in_memory(tmp_path)
