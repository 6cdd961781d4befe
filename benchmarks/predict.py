"""Predicting 1,000,000 raw rows with ``gradatim predict``, Parquet in and out.

    python benchmarks/predict.py [--rows 1000000] [--runs 5]

The whole command is timed, from the interpreter's start on, in a process of its own for
each run; and the same work in a process that has imported torch.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import median, print_table, verdict
from table import WRITE, process

BAR_ROWS_PER_S = 300_000
TRAIN_ROWS = 20_000
GRADATIM = str(Path(sys.executable).with_name("gradatim"))
PREDICT = """
from pathlib import Path
from gradatim.tables.saved.folder import TableRunFolder
from gradatim.tables.saved.predict import predict_file
run = TableRunFolder(Path({run!r}))
model = run.load_model()
output = Path({path!r} + ".out.parquet")
predict_file(model, run.schema, Path({path!r}), output, num_threads={threads})
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("numeric", "mixed"):
            rows += predicted(Path(folder), kind, args.rows, args.runs)
    print_table(("work", "threads", "rows/s", "bar", ""), rows)


def predicted(
    folder: Path, kind: str, num_rows: int, runs: int
) -> list[tuple[str, str, str, str, str]]:
    """Train on a part, predict all; give the rows of the report."""
    few, many = str(folder / f"{kind}-few"), str(folder / f"{kind}-many")
    run = str(folder / f"run-{kind}")
    process(WRITE.format(kind=kind, num_rows=TRAIN_ROWS, path=few), 2)
    process(WRITE.format(kind=kind, num_rows=num_rows, path=many), 2)
    gradatim("fit", f"{few}.parquet", "--target", "y", "--epochs", "1", "--run", run)
    big = f"{many}.parquet"
    out = f"{many}.out.parquet"
    commands, inside = [], {1: [], 2: []}
    for _ in range(runs):
        begin = time.perf_counter()
        gradatim("predict", big, "-o", out, "--run", run)
        commands.append(time.perf_counter() - begin)
        for threads, seconds in inside.items():
            code = PREDICT.format(run=run, path=big, threads=threads)
            done = process(code, threads)
            seconds.append(done["wall_s"])
    width = json.loads(Path(run, "model", "model.json").read_text())["architecture"]
    name = f"{kind}.parquet, width {width['width']}"
    timed = [(f"{name}: the command, from its start", "all", commands)]
    timed += [
        (f"{name}: after torch", str(t), seconds) for t, seconds in inside.items()
    ]
    return [
        (
            work,
            threads,
            f"{num_rows / median(seconds):,.0f}",
            f"{BAR_ROWS_PER_S:,}",
            verdict(-num_rows / median(seconds), -BAR_ROWS_PER_S),
        )
        for work, threads, seconds in timed
    ]


def gradatim(*arguments: str) -> None:
    subprocess.run([GRADATIM, *arguments], check=True, capture_output=True)


if __name__ == "__main__":
    main()
