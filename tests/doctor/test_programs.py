"""Each sick program is found, at its line; each cured and each sound one left alone.

A sick program's name begins with the code; the line to be named ends in ``# sick``.
"""

import contextlib
import io
import sys
import warnings
from pathlib import Path

import pytest
import torch

from gradatim.doctor import run_script

PROGRAMS = Path(__file__).parent / "programs"
SICK = sorted((PROGRAMS / "sick").glob("*.py"))
CURED = sorted((PROGRAMS / "cured").glob("*.py"))
SOUND = sorted((PROGRAMS / "sound").glob("*.py"))


@pytest.fixture(autouse=True)
def settings_put_back():
    """Some programs change what holds for their whole process."""
    before = torch.get_default_dtype(), torch.is_grad_enabled()
    yield
    torch.set_default_dtype(before[0])
    torch.set_grad_enabled(before[1])


def findings_of(path):
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as a user has it: they end no program
        diagnosis = run_script(path)
    return diagnosis.findings, diagnosis.seen.error


def sick_lines(path):
    lines = path.read_text().splitlines()
    return {n for n, line in enumerate(lines, 1) if line.rstrip().endswith("# sick")}


@pytest.mark.parametrize("path", SICK, ids=lambda path: path.stem)
def test_sick_program_is_found(path, unchecked):
    findings, _ = findings_of(path)
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
def test_sound_program_is_left_alone(path, unchecked):
    findings, error = findings_of(path)
    assert error is None
    shown = [
        (finding.code, finding.verdict, finding.evidence, finding.line)
        for finding in findings
    ]
    assert [finding for finding in findings if finding.severity != "info"] == [], shown


def test_every_sick_program_has_its_cure():
    assert [path.name for path in SICK] == [path.name for path in CURED]


@pytest.mark.parametrize("path", (CURED + SOUND)[::3], ids=lambda path: path.stem)
def test_watching_changes_no_bit(path, unchecked):
    """The losses and the global generator are those of the program alone."""
    with_doctor = losses_of(path, watched=True)
    assert with_doctor == losses_of(path, watched=False)
    assert with_doctor[0]


def losses_of(path, *, watched):
    """Run a program; give every loss that went backward, and the generator's state."""
    losses = []
    original, argv = torch.Tensor.backward, sys.argv

    def backward(self, *args, **kwargs):
        losses.append(self.detach().clone())
        return original(self, *args, **kwargs)

    torch.manual_seed(0)
    torch.Tensor.backward, sys.argv = backward, [str(path)]
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if watched:
                run_script(path)
            else:
                exec(
                    compile(path.read_text(), str(path), "exec"),
                    {"__name__": "__main__", "__file__": str(path)},
                )
    finally:
        torch.Tensor.backward, sys.argv = original, argv
    numbers = [loss.reshape(-1).tolist() for loss in losses]
    return str(numbers), torch.get_rng_state().tolist()
