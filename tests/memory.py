"""Folders in memory, for tests that write many checkpoints."""

import os
import tempfile
from pathlib import Path

MEMORY = "/dev/shm"


def in_memory(tmp_path):
    """Give a folder where fsync takes no time; what is left there is the same."""
    if not os.access(MEMORY, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=MEMORY) as path:
        yield Path(path)
