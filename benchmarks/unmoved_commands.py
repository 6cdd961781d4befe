"""What every command of the command line prints and writes, rightly called or not."""

import os
import random
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from unmoved_texts import ROOT, SOURCES, Record, texts_of_files, with_placeholders

__all__ = ["commands"]

SCRIPT = """import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
x, y = torch.randn(8, 3), torch.randn(8, 1)
for _ in range(30):  # the gradients are never zeroed
    loss = nn.MSELoss()(model(x), y)
    loss.backward()
    optimizer.step()
loss = nn.MSELoss()(model(x), y)
"""

TERMINATED = """
import signal
import gradatim as gt
on_step_end = gt.Run.on_step_end
def on_step_end_and_signal(run, trainer, loss):
    if trainer.num_steps == 5:
        signal.raise_signal(signal.SIGTERM)
    on_step_end(run, trainer, loss)
gt.Run.on_step_end = on_step_end_and_signal
"""
"""Goes before a command that trains, and stops it in the middle of its second epoch."""

TARGETS = ("price", "sold", "kind")
"""Columns to predict, for a regression, two classes and three."""

HELP = """
    --help | --version | fit -h | resume -h | predict -h | evaluate -h | inspect -h
    show -h | graph -h | doctor -h | trace -h | ladder -h | learn -h | learn list -h
    learn mine -h | learn check -h | learn freeze -h
"""
TRAINING = "fit --epochs 5 | " + " | ".join(
    f"fit houses.csv --target {target} --epochs 3 --run {target}" for target in TARGETS
)
STOPPED = "fit houses.csv --target price --epochs 3 --run stopped"
READING = """
    inspect houses.csv | inspect houses.csv --target price --json
    show | show --run price | show --run sold --json | show --run stopped
    evaluate houses.csv --run price | evaluate houses.csv --run kind --json
    predict new.csv --run price | predict new.csv --run sold -o made/sold.csv
    predict new.csv --run kind --with-input | trace | trace --run price --rows 0:4
    trace --run sold --json | trace --run price -o made/step.html
    graph script.py:loss | graph script.py:loss -o made/loss.txt
    graph script.py:loss -o made/loss.dot | graph script.py:loss -o made/loss.svg
    graph script.py:loss --with-data -o made/loss.html | graph --tutorial -o made/all
    graph --run price | doctor script.py | doctor --json script.py | doctor --list
    doctor --explain GT101 | doctor --explain GT302 | doctor --explain GT901
    ladder | ladder 14 | ladder 3 --json | learn list | learn mine 2 --no-open
"""
WRONG = """
    fitt | fit missing.csv --target price | fit houses.csv | fit --hidden 8
    fit houses.csv --target pric | fit houses.csv --target price --epochs 0
    fit houses.csv --target price --lr fast | fit houses.csv --target price --run price
    inspect empty.csv | show --run nowhere | predict missing.csv --run price
    predict narrow.csv --run price | evaluate narrow.csv --run price
    predict new.csv --run damaged | predict new.csv --run stopped
    resume --run nowhere | resume --run stopped --data changed.csv
    trace --rows 5 | graph script.py:los | doctor missing.py | doctor --explain GT999
    ladder 15 | learn check nothing | --nothing
"""
RESUMING = "resume --run stopped | resume --run price | resume --run sold --epochs 5"


def commands(folder: Path) -> Record:
    """Call every command, rightly and wrongly, on files of a fixed generator."""
    write_inputs(folder)
    record = call_all(f"{HELP} | {TRAINING}", folder)
    record[f"{STOPPED}, terminated"] = call(STOPPED, folder, before=TERMINATED)
    damage(folder / "sold", folder / "damaged")
    record |= call_all(f"{READING} | {WRONG}", folder)
    record |= call_all(RESUMING, folder)
    for place in ("made", "price", "sold", "kind", "stopped", "runs"):
        record |= texts_of_files(folder / place, folder)
    weights = "model/model.safetensors"
    is_same = record[f"file stopped/{weights}"] == record[f"file price/{weights}"]
    return record | {"stopped table, as if never stopped": str(is_same)}


def call_all(arguments: str, folder: Path) -> Record:
    """Call commands that do not depend on each other, two at a time."""
    lines = [line.strip() for line in re.split(r"[|\n]", arguments) if line.strip()]
    with ThreadPoolExecutor(max_workers=2) as pool:
        texts = pool.map(lambda line: call(line, folder), lines)
        return dict(zip(lines, texts, strict=True))


def call(arguments: str, folder: Path, *, before: str = "") -> str:
    """Call ``gradatim`` in a process of its own; give exit code and what it prints.

    Args:
        arguments: As they are typed.
        folder: Where it is called, which is its home, too.
        before: Python that runs before the command.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    module, function = project["scripts"]["gradatim"].split(":")
    code = f"{before}\nfrom {module} import {function}; {function}()"
    settings = {"OMP_NUM_THREADS": "1", "COLUMNS": "80", "HOME": str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", code, *shlex.split(arguments)],
        cwd=folder,
        env={**os.environ, **settings, "PYTHONPATH": str(SOURCES)},
        capture_output=True,
        text=True,
        check=False,
    )
    text = f"exit code {done.returncode}\n{done.stdout}--- stderr\n{done.stderr}"
    return with_placeholders(text, folder)


def write_inputs(folder: Path) -> None:
    """Write the script and the tables that the commands are called on."""
    header, *rows = make_table(num_rows=120)
    changed = [*rows[:-1], rows[-1].replace("1", "2")]
    tables = {
        "houses.csv": [header, *rows],
        "changed.csv": [header, *changed],
        "new.csv": [
            "rooms,area,built,garden,extra,kind,price,sold",
            "3,81.5,2020-01-31,yes,1,flat,300,no",
            "9,,2021-07-01,no,2,castle,420.5,yes",
        ],
        "narrow.csv": ["rooms,area", "3,81.5"],
        "empty.csv": [],
        "script.py": SCRIPT.splitlines(),
    }
    for name, lines in tables.items():
        (folder / name).write_text("".join(f"{line}\n" for line in lines))
    (folder / "made").mkdir()


def make_table(num_rows: int) -> list[str]:
    """Make the lines of a CSV file: numbers with gaps, categories, words of two, dates.

    >>> make_table(1)
    ['area,rooms,kind,built,garden,price,sold', '173.6,7,flat,2017-07-01,no,685.8,yes']
    """
    draw = random.Random(0)
    lines = ["area,rooms,kind,built,garden,price,sold"]
    for row in range(num_rows):
        area, rooms = draw.uniform(30, 200), draw.randint(1, 8)
        price = 3 * area + 20 * rooms + draw.gauss(0, 10)
        kind = ("hut", "house", "flat")[min(int(area / 60), 2)]
        built = f"20{draw.randint(10, 24)}-{draw.randint(1, 12):02}-{1 + row % 28:02}"
        garden = draw.choice(["yes", "no"])
        sold = "yes" if price + draw.gauss(0, 30) > 400 else "no"
        size = "" if draw.random() < 0.1 else f"{area:.1f}"
        lines.append(f"{size},{rooms},{kind},{built},{garden},{price:.1f},{sold}")
    return lines


def damage(run: Path, copy: Path) -> None:
    """Copy a run and change one bit of its model."""
    shutil.copytree(run, copy)
    weights = copy / "model" / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
