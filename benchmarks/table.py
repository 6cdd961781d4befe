"""Reading a table of 1,000,000 x 20: gradatim to tensors against pyarrow alone.

    python benchmarks/table.py [--rows 1000000] [--runs 5] [--threads 1]

Each run is a process of its own that has imported torch; from there to the tensors (or
to pyarrow's table) everything counts, imports included. The two take turns, and medians
are compared. Peaks are over the process with torch imported.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from measure import median, print_table, verdict

BAR_TIME, BAR_MEMORY, BAR_ROWS_PER_S = 1.2, 4.0, 300_000
HEADER = ("work", "pyarrow", "gradatim", "ratio", "bar", "")

MEASURED = """
import json, time
import torch
torch.set_num_threads({threads})
def memory(key):
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(key))
before = memory("VmRSS")
result = dict()
start, start_cpu = time.perf_counter(), time.process_time()
{code}
result.update(wall_s=time.perf_counter() - start, peak=memory("VmHWM") - before)
{after}
print(json.dumps(result))
"""
READ = {
    ".csv": "import pyarrow.csv\ntable = pyarrow.csv.read_csv({path!r})",
    ".parquet": "import pyarrow.parquet\ntable = pyarrow.parquet.read_table({path!r})",
}
READ_TABLE = """
from gradatim.tables.table import read_table
table = read_table({path!r}, target="y")
"""
AFTER_READ_TABLE = """
result["size"] = table.y.nbytes + sum(x.nbytes for x in table.x.values())
from pathlib import Path
from gradatim.tables.saved.model_files import schema_text
Path({path!r} + ".json").write_bytes(schema_text(table.schema))
"""
ENCODE = """
from gradatim.tables.features import TableEncoder
from pathlib import Path
from gradatim.tables.files.formats import open_file
from gradatim.tables.saved.model_files import read_schema
file = Path({path!r} + ".json")
schema = read_schema(file.read_bytes(), file)
encoder = TableEncoder(schema)
start = time.perf_counter()
with torch.no_grad():
    names = [column.name for column in schema.features]
    for batch in open_file({path!r}).batches(schema.types, names):
        encoder(schema.encode(batch)[0])
"""
WRITE = """
import numpy as np, pyarrow as pa, pyarrow.csv, pyarrow.parquet
random, n = np.random.default_rng(0), {num_rows}
def number(place):
    missing = random.random(n) < 0.02 if place % 4 == 0 else None
    return pa.array(random.normal(size=n) * 10 ** (place % 4), mask=missing)
columns = dict((f"x{{place}}", number(place)) for place in range(19))
if {kind!r} == "mixed":
    for place, most in enumerate((100, 1_000, 10_000)):
        columns[f"x{{place}}"] = pa.array(random.integers(0, most, n))
    for place, count in enumerate((5, 50, 1_000, 100), 15):
        names = np.array([f"name {{i}}" for i in range(count)], dtype=object)
        columns[f"x{{place}}"] = pa.array(names[random.integers(0, count, n)])
columns["y"] = pa.array(random.normal(size=n))
table = pa.table(columns)
pyarrow.csv.write_csv(table, {path!r} + ".csv")
pyarrow.parquet.write_table(table, {path!r} + ".parquet")
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            row
            for kind in ("numeric", "mixed")
            for row in compared(Path(folder), kind, args.rows, args.runs, args.threads)
        ]
    print_table(HEADER, rows)


def compared(
    folder: Path, kind: str, num_rows: int, runs: int, threads: int
) -> Iterator[tuple[str, ...]]:
    """Time one kind of table in both formats; give the rows of the report."""
    stem = str(folder / kind)
    process(WRITE.format(kind=kind, num_rows=num_rows, path=stem), threads)
    for suffix, read in READ.items():
        path, work = stem + suffix, f"{kind}{suffix}"
        theirs, ours = [], []
        for _ in range(runs):
            theirs.append(process(read.format(path=path), threads))
            after = AFTER_READ_TABLE.format(path=path)
            ours.append(process(READ_TABLE.format(path=path), threads, after))
        their_s, our_s = (median(run["wall_s"] for run in r) for r in (theirs, ours))
        yield _row(f"{work} -> tensors, s", their_s, our_s, our_s / their_s, BAR_TIME)
        their_peak, our_peak = (
            median(run["peak"] for run in r) for r in (theirs, ours)
        )
        size = ours[0]["size"]
        yield _row(
            f"{work}: peak MB; ratio to the tensors' {size / 1e6:.0f} MB",
            their_peak / 1e6,
            our_peak / 1e6,
            our_peak / size,
            BAR_MEMORY,
        )
    path = f"{stem}.parquet"
    seconds = [
        process(ENCODE.format(path=path), threads)["wall_s"] for _ in range(runs)
    ]
    speed = num_rows / median(seconds)
    met = verdict(-speed, -BAR_ROWS_PER_S)
    work = f"{kind}.parquet -> schema -> encoder, rows/s"
    yield work, "", f"{speed:,.0f}", "", f"{BAR_ROWS_PER_S:,}", met


def _row(
    work: str, theirs: float, ours: float, ratio: float, bar: float
) -> tuple[str, ...]:
    met = verdict(ratio, bar)
    return work, f"{theirs:.2f}", f"{ours:.2f}", f"{ratio:.2f}", f"{bar:.1f}", met


def process(code: str, threads: int, after: str = "") -> dict[str, float]:
    """Run code in a fresh process on ``threads`` threads, of pyarrow's pool as well."""
    program = MEASURED.format(code=code, after=after, threads=threads)
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    result: dict[str, float] = json.loads(done.stdout)
    return result


if __name__ == "__main__":
    main()
