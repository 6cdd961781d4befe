import ast
import json
import math
import re
from pathlib import Path

import pytest

from gradatim.cli import printing
from gradatim.cli.printing import (
    format_score,
    print_json,
    print_notices,
    print_table,
    print_test_scores,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (1.0, "1"),
        (0.96491, "0.9649"),
        (-12345.6, "-1.235e+04"),
        (None, "-"),
        (math.nan, "-"),
        (math.inf, "inf"),
    ],
)
def test_scores_have_four_digits(value, text):
    assert format_score(value) == text


def test_json_is_strict_and_readable(capsys):
    print_json({"a": [math.nan, 1.5], "ö": None})
    told = capsys.readouterr().out
    assert json.loads(told) == {"a": [None, 1.5], "ö": None}
    assert "ö" in told


def test_notes_go_to_standard_error(capsys):
    print_notices(["a", "b"])
    assert capsys.readouterr() == ("", "note: a\nnote: b\n")


def test_a_name_of_a_megabyte_is_shown_without_its_middle(capsys):
    print_table(["name", "value"], [["x" * 1_000_000, "1"]])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and len(lines[1]) < 1_100


def test_a_table_is_cut_nowhere_off_a_terminal(capsys):
    print_table(["name", "value"], [["x" * 500, "1"], ["[b]y[/b]", "20"]])
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("x" * 500)
    assert "[b]y[/b]" in lines[2]
    assert lines[1].rstrip().endswith(" 1") and lines[2].rstrip().endswith("20")


def test_every_command_prints_by_what_escapes():
    """``print`` itself would let a name of a stranger's file speak to the terminal."""
    folder = Path(printing.__file__).parent
    calls = {
        (path.name, call.lineno)
        for path in folder.glob("*.py")
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "print"
    }
    source = (folder / "printing.py").read_text().splitlines()
    (place,) = calls  # print_json escapes by itself, as JSON does
    assert place[0] == "printing.py" and "to_json" in source[place[1] - 1]


def stored(confusion):
    scores = {model: {"accuracy": 0.9} for model in ("baseline", "linear", "model")}
    return {"scores": scores, "confusion": confusion}


def test_scores_that_say_little_are_told(capfd):
    print_test_scores(stored([[40, 9], [0, 0]]), 49)
    out, err = capfd.readouterr()
    assert re.search(r"^accuracy +0\.9 +0\.9 +0\.9$", out, re.M)
    assert "note: 49 test rows are few" in err
    assert "note: all test rows are of one class" in err
    print_test_scores(stored([[40, 9], [0, 1]]), 50)
    assert capfd.readouterr().err == ""
    print_test_scores(stored(None), 20, kind="line")
    assert capfd.readouterr().err == ""
