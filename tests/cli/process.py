"""The command line in a process of its own."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from gradatim.cli.main import main
from tests.warm import WARM, begin

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


def in_terminal(*arguments):
    """Run it with a terminal for its output; give what the terminal received."""
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        command(*arguments), stdout=theirs, stderr=subprocess.DEVNULL
    )
    os.close(theirs)
    received = b""
    try:
        while part := os.read(ours, 4096):
            received += part
    except OSError:  # Linux: the other side is closed
        pass
    os.close(ours)
    assert process.wait() == 0
    return received.decode()


def wait_for(process, word):
    """Read standard error up to a line with ``word``."""
    for line in process.stderr:
        if word in line:
            return
    raise AssertionError(f"it ended without {word!r}: {process.stdout.read()}")


def ended(*arguments, cwd, before=""):
    """Run it in a process forked from a warm one; give status, output and errors."""
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, "out"), Path(folder, "err")]
        process = WARM.Process(
            target=_run, args=([*map(str, arguments)], Path(cwd), before, files)
        )
        process.start()
        process.join()
        return process.exitcode, *(file.read_text() for file in files)


def _run(arguments, cwd, before, files):
    for file, stream in zip(files, (sys.stdout, sys.stderr), strict=True):
        with file.open("wb") as opened:
            os.dup2(opened.fileno(), stream.fileno())
    os.chdir(cwd)
    sys.argv = ["gradatim", *arguments]
    begin()
    exec(before, {"__name__": "__main__"})
    main()
