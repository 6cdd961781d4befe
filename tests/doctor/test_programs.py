"""Each sick program is found, at its line; each cured and each sound one left alone.

A sick program's name begins with the code; the line to be named ends in ``# sick``.
"""

from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from pathlib import Path

import pytest

from tests.doctor.watched_programs import run_alone, run_watched
from tests.warm import WARM

PROGRAMS = Path(__file__).parent / "programs"
SICK = sorted((PROGRAMS / "sick").glob("*.py"))
CURED = sorted((PROGRAMS / "cured").glob("*.py"))
SOUND = sorted((PROGRAMS / "sound").glob("*.py"))


@pytest.fixture(scope="module")
def ended():
    """Run a program in a process where no annotation is checked, as a user has it."""
    with ProcessPoolExecutor(1, mp_context=WARM) as process:
        # The tests of a program follow each other, and it is watched once for them.
        yield lru_cache(maxsize=2)(lambda run, path: process.submit(run, path).result())


def sick_lines(path):
    lines = path.read_text().splitlines()
    return {n for n, line in enumerate(lines, 1) if line.rstrip().endswith("# sick")}


@pytest.mark.parametrize("path", SICK, ids=lambda path: path.stem)
def test_sick_program_is_found(path, ended):
    findings = ended(run_watched, path).findings
    code = path.stem.partition("_")[0].upper()
    serious = [finding for finding in findings if finding.severity != "info"]
    shown = [(finding.code, finding.verdict, finding.evidence) for finding in findings]
    assert code in [finding.code for finding in findings], shown
    # One cause, one finding.
    assert [finding.code for finding in serious] in ([code], []), shown
    (finding,) = [finding for finding in findings if finding.code == code]
    assert finding.evidence and finding.cure and any(map(str.isdigit, finding.evidence))
    if lines := sick_lines(path):
        assert finding.line is not None and finding.line.file == str(path), shown
        assert finding.line.number in lines, (finding.line.number, shown)


@pytest.mark.parametrize("path", CURED + SOUND, ids=lambda path: path.stem)
def test_sound_program_is_left_alone(path, ended):
    watched = ended(run_watched, path)
    assert watched.error is None
    shown = [
        (finding.code, finding.verdict, finding.evidence, finding.line)
        for finding in watched.findings
    ]
    serious = [finding for finding in watched.findings if finding.severity != "info"]
    assert serious == [], shown


def test_every_sick_program_has_its_cure():
    assert [path.name for path in SICK] == [path.name for path in CURED]


@pytest.mark.parametrize("path", (CURED + SOUND)[::3], ids=lambda path: path.stem)
def test_watching_changes_no_bit(path, ended):
    """The losses and the global generator are those of the program alone."""
    with_doctor = ended(run_watched, path).bits
    assert with_doctor == ended(run_alone, path).bits
    assert with_doctor[0]
