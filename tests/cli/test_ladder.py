import functools
import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

import gradatim.ladder.table
from gradatim.cli.main import cli
from gradatim.ladder import RUNGS


def invoke(*arguments):
    return CliRunner().invoke(cli, ["ladder", *arguments])


@pytest.fixture
def three_epochs(monkeypatch):
    short = functools.partial(gradatim.ladder.table.measure, epochs=3)
    monkeypatch.setattr(gradatim.ladder.table, "measure", short)


@pytest.mark.parametrize("columns", [80, 120])
def test_table_has_a_row_for_each_rung(three_epochs, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    result = invoke()
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert max(map(len, lines)) <= columns
    rows = [text.split() for text in lines if text[:2].strip().isdigit()]
    assert [row[0] for row in rows] == [str(rung.number) for rung in RUNGS]
    for rung, row in zip(RUNGS, rows, strict=True):
        assert rung.title in " ".join(row)
    assert rows[1][-3:] == ["1.0235", "1.9690", "0"]
    if columns == 120:
        for rung in RUNGS:
            assert rung.replaces in result.output


def test_table_as_json(three_epochs):
    rows = json.loads(invoke("--json").output)
    assert [row["number"] for row in rows] == list(range(1, 15))
    assert rows[1]["a"] == pytest.approx(1.02354075, abs=1e-8)
    assert rows[12]["a"] == rows[13]["a"] and rows[12]["b"] == rows[13]["b"]
    assert rows[2]["a"] is None
    assert rows[13]["num_lines"] == 1


def test_one_rung_shows_its_source_and_what_it_prints():
    output = invoke("5").output
    source = RUNGS[4].source()
    assert output.startswith(source)
    printed = output.removeprefix(source)
    assert printed.startswith("\n# What it prints:\n1. a = a - lr * a.grad\n")
    assert "AttributeError: 'NoneType' object has no attribute 'zero_'" in printed
    assert "end    a 1.0235  b 1.9690" in printed
    assert "\x1b[" not in output


def test_one_rung_is_coloured_on_a_terminal(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    output = CliRunner().invoke(cli, ["ladder", "1"], color=True).output
    assert "\x1b[" in output
    assert "what it prints" in output
    assert "end    a 1.02354094  b 1.96896411" in output


def test_one_rung_as_json(three_epochs):
    shown = json.loads(invoke("4", "--json").output)
    assert shown["title"] == "parameters"
    assert shown["source"] == RUNGS[3].source()
    assert "can't optimize a non-leaf Tensor" in shown["output"]
    assert shown["update_time_us"] is None


@pytest.mark.parametrize("number", ["0", "15", "five"])
def test_a_rung_that_is_not_there(number):
    result = invoke(number)
    assert result.exit_code == 2
    assert number in result.output


def test_help_does_not_import_torch():
    program = (
        "import sys\n"
        "from gradatim.cli.ladder import ladder\n"
        "ladder(['--help'], standalone_mode=False)\n"
        "assert 'torch' not in sys.modules and 'rich' not in sys.modules\n"
    )
    shown = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "[RUNG]" in shown.stdout and "--json" in shown.stdout
