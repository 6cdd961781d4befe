"""What comes from outside cannot speak to the terminal, nor to a page.

Escape sequences can change a terminal's title, colours and what stood there before; a
line end can forge a line of ours; a mark of direction can turn a name round.
"""

import csv
import random
import unicodedata

import pytest

from gradatim.cli.main import run
from tests.cli.process import in_terminal

ESCAPES = "\x1b[31m\x1b]0;HACKED\x07"
CSI = "\x9b31m"
TURNED = "c\u202etxt"
FORGED = "b\nEVIL: forged"


def is_harmless(text):
    """Say whether a text has nothing but what is seen, and no forged line."""
    return all(
        (c.isprintable() or c in "\t" or unicodedata.category(c) == "Zs")
        for line in text.split("\n")
        for c in line
    ) and not any(line.startswith("EVIL") for line in text.split("\n"))


def table(
    path, *, towns=("yes" + ESCAPES, "no"), second=("x", "y"), first=None, rows=60
):
    rng = random.Random(0)
    header = [f"a{ESCAPES}z", FORGED, TURNED, f"n{CSI}", f"town{CSI}"]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for _ in range(rows):
            number = f"{rng.random():.2f}" if first is None else first
            label = rng.choice(second) + ESCAPES
            writer.writerow([number, label, rng.choice("pq"), "", rng.choice(towns)])
    return path, header


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Give a run of a hostile table, with the folder that it lies in."""
    folder = tmp_path_factory.mktemp("hostile")
    path, header = table(folder / "e.csv")
    at = folder / f"run{ESCAPES}"
    arguments = ["--target", header[-1], "--run", str(at), "--epochs", "2"]
    assert run(["fit", str(path), *arguments]) == 0
    return folder, at


def outputs(capfd, arguments, codes=(0, 1, 2)):
    assert run(arguments) in codes
    told = capfd.readouterr()
    assert told.out + told.err
    return told.out, told.err


COMMANDS = {
    "inspect": ["inspect", "{e}"],
    "inspect for a target": ["inspect", "{e}", "--target", f"town{CSI}"],
    "inspect --json": ["inspect", "{e}", "--json"],
    "fit": ["fit", "{e}", "--target", f"town{CSI}", "--epochs", "1", "--run", "{new}"],
    "fit without such a target": ["fit", "{e}", "--target", ESCAPES],
    "show": ["show", "--run", "{run}"],
    "show --json": ["show", "--json", "--run", "{run}"],
    "evaluate": ["evaluate", "{e}", "--run", "{run}"],
    "evaluate unseen": ["evaluate", "{unseen}", "--run", "{run}"],
    "predict unseen": ["predict", "{unseen}", "--run", "{run}", "-o", "{out}"],
    "predict text for numbers": ["predict", "{bad}", "--run", "{run}", "-o", "{out}"],
    "predict to a bad suffix": [
        "predict",
        "{e}",
        "--run",
        "{run}",
        "-o",
        f"x{ESCAPES}",
    ],
    "trace": ["trace", "--run", "{run}"],
    "graph": ["graph", "--run", "{run}"],
    "resume": ["resume", "--run", "{run}"],
    "no file": ["inspect", f"{ESCAPES}{FORGED}.csv"],
    "no run": ["show", "--run", f"{ESCAPES}{FORGED}"],
    "no command": [f"fit{ESCAPES}"],
    "no option": ["fit", f"--ep{ESCAPES}"],
    "no number": ["fit", "--epochs", f"3{ESCAPES}"],
    "no exercise": ["learn", "check", f"ex{ESCAPES}{FORGED}"],
    "no such code": ["doctor", "--explain", f"GT{ESCAPES}"],
    "no such script": ["doctor", f"{ESCAPES}.py"],
    "no such rung": ["ladder", f"{ESCAPES}"],
    "no tensor": ["graph", f"a.py:{ESCAPES}"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_shows_it_escaped(name, trained, tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder, at = trained
    unseen, _ = table(tmp_path / "unseen.csv", second=("UNSEEN",), towns=("other",))
    bad, _ = table(tmp_path / "bad.csv", first=f"zz{ESCAPES}")
    places = {
        "e": folder / "e.csv",
        "run": at,
        "new": tmp_path / f"new{ESCAPES}",
        "out": tmp_path / f"out{ESCAPES}.csv",
        "unseen": unseen,
        "bad": bad,
    }
    out, err = outputs(capfd, [part.format(**places) for part in COMMANDS[name]])
    assert is_harmless(out), out
    assert is_harmless(err), err


def test_json_gives_the_names_as_they_are(trained, capfd):
    import json

    folder, _ = trained
    out, _ = outputs(capfd, ["inspect", str(folder / "e.csv"), "--json"])
    names = {column["name"] for column in json.loads(out)["columns"]}
    assert {FORGED, TURNED, f"n{CSI}"} <= names


SCRIPT = """
import torch
from torch import nn
model = nn.Sequential()
model.add_module("a{escapes}", nn.Linear(1, 1))
model.add_module("{turned}" * 40_000, nn.Linear(1, 1))
type(model[1]).__name__ = "Linear"
loss = model(torch.ones(3, 1)).mean()
"""


@pytest.mark.parametrize("suffix", [".html", ".svg", ".dot", ".txt"])
def test_a_page_shows_names_of_modules_escaped(suffix, tmp_path, capfd):
    script = tmp_path / f"s{ESCAPES}.py"
    text = SCRIPT.format(escapes=ascii(ESCAPES)[1:-1], turned=ascii(TURNED)[1:-1])
    script.write_text(text)
    page = tmp_path / f"g{suffix}"
    out, err = outputs(capfd, ["graph", f"{script}:loss", "-o", str(page)], (0,))
    assert is_harmless(out) and is_harmless(err)
    drawn = page.read_text(encoding="utf-8")
    assert "\x1b" not in drawn and "\u202e" not in drawn and "HACKED" in drawn
    assert page.stat().st_size < 200_000, "a long name is cut"


def test_predictions_on_a_terminal_are_escaped_and_in_a_pipe_are_not(
    trained, capfdbinary
):
    folder, at = trained
    arguments = ["predict", str(folder / "e.csv"), "--run", str(at)]
    assert run(arguments) == 0
    assert ESCAPES.encode() in capfdbinary.readouterr().out
    shown = in_terminal(*arguments)
    assert "HACKED" in shown and is_harmless(shown.replace("\r\n", "\n"))


def test_safe_csv_lets_no_spreadsheet_run_a_cell(tmp_path, capfd):
    rng = random.Random(0)
    path = tmp_path / "f.csv"
    formulas = ["=1+1", "+SUM(A1)", "-2+3", "@x", "plain", "-1.5"]
    rows = [
        f"{rng.random():.2f},{formulas[i % 6]},{'=yes' if i % 2 else 'no'}"
        for i in range(60)
    ]
    path.write_text("\n".join(["=a,note,town", *rows]) + "\n")
    at = tmp_path / "run"
    assert (
        run(["fit", str(path), "--target", "town", "--run", str(at), "--epochs", "1"])
        == 0
    )
    capfd.readouterr()
    arguments = ["predict", str(path), "--run", str(at), "--with-input"]
    assert run(arguments) == 0
    plain = capfd.readouterr().out
    assert "=1+1" in plain and "'" not in plain
    assert run([*arguments, "--safe-csv"]) == 0
    cells = [
        cell for row in csv.reader(capfd.readouterr().out.splitlines()) for cell in row
    ]
    assert [cell for cell in cells if cell.startswith(("=", "+", "@", "\t"))] == []
    assert {cell for cell in cells if cell.startswith("-")} == {"-1.5"}
    assert {"'=1+1", "'+SUM(A1)", "'-2+3", "'@x", "plain", "'=a", "'=yes"} <= set(cells)
    assert run([*arguments, "--safe-csv", "-o", str(tmp_path / "p.parquet")]) == 2
    assert "--safe-csv is for CSV" in capfd.readouterr().err
