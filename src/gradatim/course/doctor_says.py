"""Programs as a learner writes them, run from a temporary folder under the doctor."""

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
    """Keep what is printed."""
    told = io.StringIO()
    with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
        yield told


@lru_cache(maxsize=16)
@threads(1)
def diagnosed(script: str, *, select: tuple[str, ...] = ()) -> str:
    """Do what ``gradatim doctor train.py`` does with a program; give what it says.

    Args:
        script: Its text; it prints nothing here, and moves no random numbers.
        select: Codes of pitfalls, all by default.

    >>> diagnosed("print(1)")
    'nothing found'
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.py"
        path.write_text(script, encoding="utf-8")
        with keeping_rng(), hushed():
            findings = run_script(path, select=select).findings
            told = "\n\n".join(map(str, findings)) or "nothing found"
    return told.replace(f"{folder}/", "")


def written(findings: Sequence[Finding]) -> list[str]:
    """Write findings; the line is that of a chapter's insides, so it is left out."""
    return [str(replace(finding, line=None)) for finding in findings]
