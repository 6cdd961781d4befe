import json
import sys

import pytest

from gradatim.cli.main import run
from tests.doctor.test_programs import PROGRAMS

SICK = PROGRAMS / "sick" / "gt101_never_zeroed.py"
CURED = PROGRAMS / "cured" / "gt101_never_zeroed.py"

FAILS = """
import sys
import torch
from torch import nn

model = nn.Sequential(nn.Linear(4, 8), nn.Linear(6, 1))
print("arguments", sys.argv[1:])
model(torch.zeros(3, 4))
"""


@pytest.fixture(autouse=True)
def _unchecked(unchecked):
    """Annotations are not checked: the checker's frames are no user's."""


def test_a_sick_script_is_told_of(capsys):
    assert run(["doctor", str(SICK)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "doctor: 1 found in 50 updates"
    assert lines[2].startswith("GT101 error: Gradients are never zeroed")
    assert lines[3].startswith(f"  at    {SICK}:17  loss.backward()")
    assert lines[4].startswith("  seen  at ") and lines[5].startswith("  cure  ")


def test_a_sound_script_has_exit_code_0(capsys):
    assert run(["doctor", str(CURED)]) == 0
    assert capsys.readouterr().out == "doctor: nothing found in 50 updates\n"


def test_json(capsys):
    assert run(["doctor", "--json", str(SICK)]) == 1
    (finding,) = json.loads(capsys.readouterr().out)
    assert (finding["code"], finding["line"]) == ("GT101", 17)
    assert finding["file"] == str(SICK)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--ignore", "GT101"], 0),
        (["--ignore", "gt1"], 0),
        (["--select", "GT3,GT2"], 0),
        (["--select", "GT101"], 1),
        (["--fail-on", "never"], 0),
        (["--fail-on", "warning"], 1),
    ],
)
def test_options_choose_and_decide(options, code, capsys):
    assert run(["doctor", *options, str(SICK)]) == code


def test_a_line_may_be_left_out(tmp_path):
    text = SICK.read_text().replace("# sick", "# gt: ignore[GT101]")
    (tmp_path / "train.py").write_text(text)
    assert run(["doctor", str(tmp_path / "train.py")]) == 0


def test_a_script_that_raises_is_explained(tmp_path, capsys):
    path = tmp_path / "train.py"
    path.write_text(FAILS)
    before = list(sys.argv)
    assert run(["doctor", str(path), "--epochs", "3"]) == 1
    told = capsys.readouterr()
    assert "arguments ['--epochs', '3']" in told.out
    assert "GT901 error: Rows of 8 numbers meet a layer for rows of 6 in 1: Linear" in (
        told.out
    )
    assert "cure  nn.Linear(8, 1)" in told.out
    frames = [line for line in told.err.splitlines() if 'File "' in line]
    assert str(path) in frames[0] and "mat1 and mat2" in told.err
    assert sys.argv == before


def test_pages_and_list(capsys):
    assert run(["doctor", "--list"]) == 0
    codes = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert codes == sorted(codes) and {"GT101", "GT302", "GT901"} <= set(codes)
    for code in codes:
        assert run(["doctor", "--explain", code.lower()]) == 0
        assert capsys.readouterr().out.startswith(f"{code}  ")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "SCRIPT is missing"),
        (["absent.py"], "there is no file absent.py"),
        (["--explain", "GT10"], "there is no pitfall GT10"),
    ],
)
def test_what_is_called_wrongly_is_said(arguments, says, capsys):
    assert run(["doctor", *arguments]) == 2
    assert says in capsys.readouterr().err


def test_what_stands_after_the_script_is_the_scripts(tmp_path, capsys):
    path = tmp_path / "train.py"
    path.write_text("import sys\nprint(sys.argv[1:])\n")
    assert run(["doctor", str(path), "--json", "-x", "--list"]) == 0
    assert "['--json', '-x', '--list']" in capsys.readouterr().out
