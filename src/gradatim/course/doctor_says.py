"""What the doctor says of a program that a learner might write."""

import contextlib
import io
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from gradatim.doctor.finding import Finding
from gradatim.doctor.watch import run_script
from gradatim.rng import keeping_rng
from gradatim.threads import threads

__all__ = ["diagnosed", "hushed", "written"]


@contextlib.contextmanager
def hushed() -> Iterator[io.StringIO]:
    """Collect what is printed, so that it is not on the screen."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        yield printed


@lru_cache(maxsize=16)
@threads(1)
def diagnosed(script: str, *, select: tuple[str, ...] = ()) -> str:
    """Give what ``gradatim doctor train.py`` says of a program.

    What it prints is not shown, and the random numbers of the caller stay. ``select``
    names the codes of the pitfalls to look for; empty means all.

    >>> diagnosed("print(1)")
    'nothing found'
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.py"
        path.write_text(script, encoding="utf-8")
        with keeping_rng(), hushed():
            findings = run_script(path, select=select).findings
            text = "\n\n".join(map(str, findings)) or "nothing found"
    return text.replace(f"{folder}/", "")


def written(findings: Sequence[Finding]) -> list[str]:
    """Write findings without their line: it is in this course, not in the program."""
    return [str(replace(finding, line=None)) for finding in findings]
