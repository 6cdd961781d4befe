"""How long someone waits: for the help, for ``import gradatim``, for the course."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import median, print_table, verdict

REPEATS = 9

HELP_S = 0.3
IMPORT_S = 0.15
LEARN_S = 2.0

IMPORT = """
import time, torch
begin = time.perf_counter()
import gradatim
{names}
print(time.perf_counter() - begin)
"""
ALL_NAMES = "[getattr(gradatim, name) for name in gradatim.__all__]"

HELP_MODULES = """
import sys
from gradatim.cli.main import main
sys.argv = ["gradatim", "--help"]
try:
    main()
except SystemExit:
    print(*sys.modules)
"""


def main() -> None:
    timings = {
        "`gradatim --help`": (help_s, HELP_S),
        "`import gradatim` beyond `import torch`": (lambda: import_s(""), IMPORT_S),
        "the same, every public name used": (lambda: import_s(ALL_NAMES), IMPORT_S),
        "`gradatim learn` answers": (learn_s, LEARN_S),
        "for scale: `python -c pass`": (lambda: wall_s(sys.executable, "-c", ""), None),
    }
    seconds: dict[str, list[float]] = {name: [] for name in timings}
    for _ in range(REPEATS):
        for name, (measure, _) in timings.items():
            seconds[name].append(measure())
    rows = []
    for name, (_, bar) in timings.items():
        value = median(seconds[name])
        limit = "" if bar is None else f"{bar:.2f}"
        rows.append((name, f"{value:.3f}", limit, verdict(value, bar)))
    imported = python(HELP_MODULES).split()
    rows.append(
        (
            "`gradatim --help` leaves torch alone",
            "",
            "",
            "missed" if "torch" in imported else "met",
        )
    )
    print_table(("start", "s", "bar", ""), rows)


def help_s() -> float:
    return wall_s(str(Path(sys.executable).parent / "gradatim"), "--help")


def import_s(names: str) -> float:
    return float(python(IMPORT.format(names=names)))


def wall_s(*command: str) -> float:
    begin = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - begin


def learn_s() -> float:
    """Start the course; give the time until it says the address that it serves."""
    gradatim = str(Path(sys.executable).parent / "gradatim")
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        server = subprocess.Popen(
            [gradatim, "learn", "--no-open", "--folder", folder],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        assert server.stdout is not None
        server.stdout.readline()
        seconds = time.perf_counter() - begin
        server.terminate()
        server.wait()
    return seconds


def python(code: str) -> str:
    """Run ``code`` in a fresh interpreter; give what it prints."""
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout


if __name__ == "__main__":
    sys.exit(main())
