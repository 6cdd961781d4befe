"""The command line in a process of its own."""

import os
import subprocess
import sys

MAIN = "from gradatim.cli.main import main; main()"


def command(*arguments, before=""):
    """What to start; ``before`` is Python to run first."""
    return [sys.executable, "-c", f"{before}\n{MAIN}", *map(str, arguments)]


def start(*arguments, cwd, before=""):
    """Start it, with one thread."""
    return subprocess.Popen(
        command(*arguments, before=before),
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(process, word):
    """Read standard error up to a line with ``word``."""
    for line in process.stderr:
        if word in line:
            return
    raise AssertionError(f"it ended without {word!r}: {process.stdout.read()}")
