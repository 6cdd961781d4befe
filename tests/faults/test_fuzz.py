"""No command ends with a traceback, hangs or leaves half a file, whatever it gets."""

import os
import tempfile
from pathlib import Path

import pytest

from tests.faults import fuzz
from tests.memory import MEMORY


@pytest.fixture(scope="module")
def root(warm):
    place = MEMORY if os.access(MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=place) as folder:
        warm(fuzz.prepare, folder)
        yield Path(folder)


def check(found):
    codes, faults = found
    assert not faults, "\n".join(faults)
    assert codes[0] and codes[1] + codes[2] > codes[0] / 10


@pytest.mark.parametrize("kind", fuzz.KINDS)
def test_thirty_eight_cases(kind, root, warm):
    check(warm(fuzz.check, kind, range(38), root))


@pytest.mark.slow
@pytest.mark.parametrize("kind", fuzz.KINDS)
def test_twenty_thousand_cases_in_all(kind, root, warm):
    check(warm(fuzz.check, kind, range(38, 2_600), root))


@pytest.mark.slow
@pytest.mark.parametrize("kind", fuzz.KINDS)
def test_four_hundred_cases_in_processes_of_their_own(kind, root, warm):
    check(warm(fuzz.check, kind, range(50), root, fuzz.in_shell))


# --- The check can fail ---------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "out.csv").write_bytes(fuzz.OLD)
    return tmp_path


def faults(folder, *, code=0, size=0, seen="", said="", arguments=("inspect",)):
    return fuzz.faults_of((code, size), seen, said, folder, list(arguments))


def test_what_must_not_be_is_seen(folder):
    assert faults(folder) == faults(folder, code=1, said="why") == []
    assert faults(folder, code=-14) == ["exit code -14"]
    assert faults(folder, code=1) == ["not a word about why"]
    assert faults(folder, code=1, said="This was not foreseen")
    assert faults(folder, said="Traceback (most recent call last):")
    assert faults(folder, seen="\x1b[2J") == ["an escape sequence reaches the terminal"]
    assert faults(folder, size=2_000_000_000) == ["2,000,000,000 bytes of memory"]
    (folder / ".tmp-1").touch()
    assert faults(folder) == [f"{folder / '.tmp-1'} is left"]


def test_a_file_that_is_half_written_is_seen(folder):
    output = folder / "out.csv"
    predict = {"arguments": ["predict", "-o", str(output)]}
    assert faults(folder, **predict) == []
    output.write_text("prediction\n1.")
    assert faults(folder, **predict) == [f"{output} is not whole"]
    assert faults(folder, code=1, said="why", **predict) == [
        f"{output} is neither whole nor as it was"
    ]


def test_the_same_seed_makes_the_same_case(root, tmp_path):
    for kind in fuzz.KINDS:
        made = []
        for name in ("one", "other"):
            folder = tmp_path / kind / name
            folder.mkdir(parents=True)
            arguments = fuzz.make(kind, 7, root, folder)
            files = [path.read_bytes() for path in sorted(folder.rglob("*.[ctp]*"))]
            made.append([[a.replace(str(folder), "") for a in arguments], files])
        assert made[0] == made[1], kind
