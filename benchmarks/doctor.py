"""The doctor: what it finds in the programs of the tests, and what a watch costs.

Every program of ``tests/doctor/programs`` is run under watch: a sick one is found if
its code is named, and a cured or sound one is a false alarm if anything but advice is.
The overhead is the processor's time of ``gradatim doctor script.py`` in times of
``python script.py``, each in processes of their own and in turn; medians.
"""

import contextlib
import io
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch

from gradatim.doctor import Finding, run_script
from measure import median, print_table, verdict

PROGRAMS = Path(__file__).parents[1] / "tests" / "doctor" / "programs"
REPEATS = 5
SCRIPT = """
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)
torch.manual_seed(0)
x = torch.randn({rows}, {features})
y = (x[:, 0] > x[:, 1]).long()
model = nn.Sequential(
    nn.Linear({features}, {width}), nn.ReLU(), nn.Linear({width}, {width}), nn.ReLU(),
    nn.Linear({width}, 2),
)
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
loss_fn = nn.CrossEntropyLoss()
loader = DataLoader(TensorDataset(x, y), batch_size={batch_size}, shuffle=True)
steps = 0
while steps < {steps}:
    for features, targets in loader:
        optimizer.zero_grad()
        loss = loss_fn(model(features), targets)
        loss.backward()
        optimizer.step()
        steps += 1
        if steps == {steps}:
            break
"""
WORKS = {
    "20,000 x 20, batch of 64, 5,000 updates": (
        {"rows": 20_000, "features": 20, "width": 64, "batch_size": 64, "steps": 5000},
        1.5,
    ),
    "batch of 10 ms or more, 300 updates": (
        {"rows": 20_000, "features": 64, "width": 640, "batch_size": 512, "steps": 300},
        1.15,
    ),
}


def findings_of(path: Path) -> list[Finding]:
    """Run a program under watch; give all that is found, advice too."""
    torch.manual_seed(0)
    # One program turns gradients off for itself, and those after it need them.
    with contextlib.redirect_stdout(io.StringIO()), torch.enable_grad():
        return run_script(path).findings


def table_of_programs() -> None:
    rows, names = [], []
    for kind in ("sick", "cured", "sound"):
        found = missed = alarms = 0
        paths = sorted((PROGRAMS / kind).glob("*.py"))
        for path in paths:
            findings = findings_of(path)
            advice = {each.code for each in findings if each.severity == "info"}
            codes = {each.code for each in findings}
            code = path.stem.partition("_")[0].upper()
            if kind == "sick":
                found, missed = found + (code in codes), missed + (code not in codes)
                codes.discard(code)
            codes -= advice
            alarms += bool(codes)
            if codes:
                names.append((kind, path.stem, sorted(codes)))
        of_sick = (f"{found}", f"{missed}") if kind == "sick" else ("", "")
        rows.append([kind, f"{len(paths)}", *of_sick, f"{alarms}"])
    print_table(["programs", "", "found", "missed", "false alarms"], rows)
    for kind, name, codes in names:
        print(f"\n{kind}/{name}: {', '.join(codes)}")


def seconds_of(command: Sequence[str]) -> float:
    """Run a process; give the processor's seconds of it."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def overhead() -> None:
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, (sizes, bar) in WORKS.items():
            script = Path(folder) / "train.py"
            script.write_text(SCRIPT.format(**sizes))
            alone = [sys.executable, str(script)]
            # A finding here is no failure of the measurement.
            options = ["doctor", "--fail-on", "never", str(script)]
            watched = [str(Path(sys.executable).with_name("gradatim")), *options]
            seconds: dict[str, list[float]] = {"alone": [], "watched": []}
            for repeat in range(REPEATS + 1):
                for way, command in (("alone", alone), ("watched", watched)):
                    taken = seconds_of(command)
                    if repeat:  # the first is the warm-up
                        seconds[way].append(taken)
            one, other = median(seconds["alone"]), median(seconds["watched"])
            ratio = other / one
            per_step = f"{1e3 * one / sizes['steps']:.2f}"
            row = [name, per_step, f"{one:.2f}", f"{other:.2f}", f"{ratio:.2f}"]
            rows.append([*row, f"{bar}", verdict(ratio, bar)])
    header = ["script", "ms an update", "alone s", "watched s", "ratio", "bar", ""]
    print_table(header, rows)


if __name__ == "__main__":
    torch.set_num_threads(1)
    table_of_programs()
    print()
    overhead()
