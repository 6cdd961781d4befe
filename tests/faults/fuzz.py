"""Commands on files and arguments that were changed at random, each case by its seed.

A case is a kind and a seed: the same two give the same files and the same command, so
what was found once can be looked at again. Each runs in a forked process, and must end
by itself, in bounded memory, with an exit code that the documentation knows, without a
traceback, and with every file that it writes whole or as it was.
"""

import functools
import gzip
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import torch

from gradatim.cli.main import cli, run
from tests.cli.process import command
from tests.faults import hostile
from tests.faults.injection import start

EXIT_CODES = {0, 1, 2, 130, 143}
MOST_BYTES = 1_000_000_000
MOST_S = 60
OLD = b"an answer of before\n"

# --- What is changed ------------------------------------------------------------------

TOKENS = [
    *(b'"', b'""', b",", b"\n", b"\r", b"\r\n", b"\0", b"\xff", b"\xef\xbb\xbf", b";"),
    *(b"\t", b"1e400", b"-1e308", b"nan", b"inf", b"0x1F", b"00501", b"9" * 25),
    *(b"\x1b[31m", "\u202e".encode(), b"=cmd()", b"x" * 5_000, b"2016-12-31 23:59:60"),
    *(b"0001-01-01", b"9999-12-31T23:59:59Z", b"true", b" ", b"'", b"\\", b"{}", b"1,"),
]


def mutated(content, rng, *, most=6):
    """Change bytes: flipped, cut, repeated, moved, or with something put between."""
    content = bytearray(content)
    for _ in range(min(rng.randint(1, most), rng.randint(1, most))):
        place = rng.randrange(len(content) + 1)
        end = min(len(content), place + rng.choice([1, 2, 8, 100, 5_000]))
        match rng.randrange(6):
            case 0 if place < len(content):
                content[place] ^= 1 << rng.randrange(8)
            case 1:
                del content[place:end]
            case 2:
                content[place:place] = content[place:end] * rng.choice([1, 2, 50])
            case 3:
                content[place:place] = rng.choice(TOKENS)
            case 4:
                content[place:end] = rng.choice(TOKENS)
            case 5 if rng.random() < 0.3:
                del content[place:]
    return bytes(content)


def odd_column(rng, rows):
    """Give an Arrow column of a random type, some of its values missing."""
    kind = rng.choice(TYPES)
    buffers, width = [None], -(-kind.bit_width // 8)
    if rng.random() < 0.5:
        buffers = [pa.py_buffer(rng.randbytes(-(-rows // 8)))]
    buffers.append(pa.py_buffer(rng.randbytes(max(rows * width, 1))))
    return pa.Array.from_buffers(kind, rows, buffers)


UNITS = ("s", "ms", "us", "ns")
TYPES = [
    *(pa.int8(), pa.int64(), pa.uint64(), pa.float16(), pa.float32(), pa.float64()),
    *(pa.date32(), pa.date64(), pa.bool_(), pa.decimal128(38, 5), pa.decimal256(70, 9)),
    *(pa.timestamp(unit, zone) for unit in UNITS for zone in (None, "UTC", "+05:30")),
    *(pa.duration(unit) for unit in UNITS),
    *(pa.time32("s"), pa.time64("ns"), pa.binary(3), pa.month_day_nano_interval()),
]
OTHERS = [
    pa.array([[1, 2], None, []] * 30),
    pa.array([{"a": 1}, None, {"a": 2}] * 30),
    pa.array(["a", None, "\x1b[2J"] * 30).dictionary_encode(),
    pa.array([b"\xff", b"", None] * 30),
    pa.nulls(90),
    pa.array(["x" * 100_000] * 90),
    pa.array([1.0, float("nan"), float("inf")] * 30),
]


def parquet(rng, good):
    """Put columns of random types into a good table, or beside each other."""
    if rng.random() < 0.5:
        rows, table = 90, pa.table({"town": [rng.choice("ab") for _ in range(90)]})
    else:
        rows, table = len(good), good
    for _ in range(rng.randint(0, 4)):
        is_long = rows == 90 and rng.random() < 0.3
        column = rng.choice(OTHERS) if is_long else odd_column(rng, rows)
        names = ["a", "id", "", "\x1b[m", "ü", *table.column_names]
        if (name := rng.choice(names)) in table.column_names:
            table = table.drop_columns([name])
        table = table.append_column(name, column)
    out = io.BytesIO()
    try:
        pq.write_table(table, out)
    except (pa.ArrowException, ValueError):  # Parquet has no such type
        return parquet(rng, good)
    content = out.getvalue()
    return mutated(content, rng, most=3) if rng.random() < 0.5 else content


ODD = [None, True, -1, 0, 1.5, 10**30, 1e300, "", "x", "os.system", [], {}, [[]] * 99]


def odd_json(value, rng):
    """Change JSON that was read: a value, a name, or what there is of either."""
    for _ in range(rng.randint(1, 3)):
        places = [place for place in hostile.leaves(value) if place]
        if not places:
            return value
        *before, last = rng.choice(places)
        if before and rng.random() < 0.3:
            *before, last = before
        within = hostile.at(value, before)
        match rng.randrange(4):
            case 0 if isinstance(within, dict):
                within[rng.choice(["", "version", "x"])] = within.pop(last)
            case 1:
                del within[last]
            case _:
                within[last] = rng.choice(ODD)
    return value


# --- The commands ---------------------------------------------------------------------


def of_table(rng, root, folder, path):
    """Give a command that reads a table."""
    good = str(root / "table" / "run")
    outputs = [str(folder / name) for name in ("out.csv", "out.parquet")]
    fit = ["fit", path, "--epochs", "1", "--no-doctor", "--run", str(folder / "run")]
    fit += ["--target", rng.choice(["town", "price", "area"]), "--hidden", "4"]
    return rng.choice(
        [
            ["inspect", path],
            ["inspect", path, "--json"],
            ["inspect", path, "--target", "town"],
            fit,
            [*fit, "--drop-missing-target"],
            ["predict", path, "--run", good],
            ["predict", path, "--run", good, "-o", outputs[0], "--with-input"],
            ["predict", path, "--run", good, "-o", outputs[0], "--safe-csv"],
            ["predict", path, "--run", good, "-o", outputs[1]],
            ["evaluate", path, "--run", good],
        ]
    )


def of_run(rng, root, changed):
    """Give a command that reads a run."""
    table, changed = str(root / "houses.csv"), str(changed)
    return rng.choice(
        [
            ["show", "--run", changed],
            ["show", "--json", "--run", changed],
            ["predict", table, "--run", changed],
            ["evaluate", table, "--run", changed],
            ["resume", "--run", changed, "--epochs", "3", "--data", table],
            ["graph", "--run", changed, "--data", table],
        ]
    )


def changed_table(rng, root, folder, suffix, content):
    path = folder / f"table{suffix}"
    path.write_bytes(content)
    return of_table(rng, root, folder, str(path))


def csv(rng, root, folder):
    good = (root / "houses.csv").read_bytes()
    suffix = rng.choice([".csv", ".csv", ".tsv", ".txt"])
    return changed_table(rng, root, folder, suffix, mutated(good, rng))


def packed(rng, root, folder):
    good = (root / "houses.csv").read_bytes()
    text = good if rng.random() < 0.5 else mutated(good, rng)
    content = gzip.compress(text * rng.choice([1, 1, 1, 300]), 1)
    content = mutated(content, rng, most=2) if rng.random() < 0.7 else content
    return changed_table(rng, root, folder, ".csv.gz", content)


def columns(rng, root, folder):
    good = pacsv.read_csv(root / "houses.csv")
    return changed_table(rng, root, folder, ".parquet", parquet(rng, good))


def lines(rng, root, folder):
    good = pacsv.read_csv(root / "houses.csv").to_pylist()
    content = "\n".join(json.dumps(row, default=str) for row in good).encode()
    suffix = rng.choice([".jsonl", ".jsonl", ".json"])
    return changed_table(rng, root, folder, suffix, mutated(content, rng))


def workbook(rng, root, folder):
    """Change a workbook's bytes, or those of a part of it, which is packed again."""
    content = good_workbook(root / "houses.csv")
    if rng.random() < 0.3:
        content = mutated(content, rng, most=3)
    elif rng.random() < 0.8:
        source, out = zipfile.ZipFile(io.BytesIO(content)), io.BytesIO()
        names = source.namelist()
        sheet = next(name for name in names if "worksheets/" in name)
        changed = rng.choice([sheet, rng.choice(names)])
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
            for name in names:
                part = source.read(name)
                file.writestr(name, mutated(part, rng) if name == changed else part)
        content = out.getvalue()
    return changed_table(rng, root, folder, ".xlsx", content)


@functools.cache
def good_workbook(path):
    table, out = pacsv.read_csv(path), io.BytesIO()
    book = openpyxl.Workbook()
    book.active.append(table.column_names)
    for row in table.to_pylist():
        book.active.append(list(row.values()))
    book.save(out)
    return out.getvalue()


def changed_run(rng, root, folder, suffixes):
    """Copy a run, and choose one of its files."""
    kind = rng.choice(hostile.KINDS)
    changed = folder / "run"
    shutil.copytree(root / kind / "run", changed)
    names = [name for name in hostile.files_of(kind) if name.endswith(suffixes)]
    return changed, rng.choice(names)


def values(rng, root, folder):
    changed, name = changed_run(rng, root, folder, (".json", ".jsonl"))
    path = hostile.path_of(changed, name)
    if path.suffix == ".json" and rng.random() < 0.7:
        hostile.edit(path, lambda value: odd_json(value, rng))
    else:
        path.write_bytes(mutated(path.read_bytes(), rng))
    if rng.random() < 0.8:
        hostile.seal_run(changed, hostile.but_of(changed, name))
    return of_run(rng, root, changed)


def tensors(rng, root, folder):
    changed, name = changed_run(rng, root, folder, (".safetensors",))
    path = hostile.path_of(changed, name)
    header, data = hostile.parts_of(path.read_bytes())
    if rng.random() < 0.6:
        header = odd_json(header, rng)
        content = hostile.joined(header, data)
    else:
        content = mutated(path.read_bytes(), rng)
    path.write_bytes(content)
    hostile.seal_run(changed)
    return of_run(rng, root, changed)


PLAIN = ["houses.csv", "missing.csv", "", "-", "/dev/null", ".", "town", "\x1b[31m"]
PLAIN += ["0", "-1", "1e9", "nan", "net.py:make", "script.py", "x" * 5_000, "a\nb"]
LEFT_OUT = {"learn", "trace"}
"""The course is served until somebody ends it; a trace trains as long as it is told."""


def arguments(rng, root, folder):
    """Give a command with any of its options, and with any values for them."""
    shutil.copy(root / "houses.csv", folder)
    (folder / "script.py").write_text("import torch\nprint(torch.ones(2))\n")
    names = sorted(set(cli.list_commands(None)) - LEFT_OUT)
    name = rng.choice(names)
    command = cli.get_command(None, name)
    chosen = [name]
    for parameter in rng.sample(command.params, min(3, len(command.params))):
        option = rng.choice(parameter.opts)
        if option.startswith("-"):
            chosen.append(option)
        if not getattr(parameter, "is_flag", False):
            chosen.append(rng.choice(PLAIN))
    if rng.random() < 0.3:
        chosen.insert(rng.randint(1, len(chosen)), rng.choice([*PLAIN, "--what", "-q"]))
    return [*chosen, "--epochs", "1"] if name in ("fit", "ladder") else chosen


KINDS = {
    "CSV": csv,
    "gzip": packed,
    "Parquet": columns,
    "JSON lines": lines,
    "Excel": workbook,
    "JSON": values,
    "safetensors": tensors,
    "arguments": arguments,
}

# --- What must hold -------------------------------------------------------------------


def make(kind, seed, root, folder):
    """Write the files of a case into an empty folder; give the command's arguments."""
    rng = random.Random(f"{kind} {seed}")
    arguments = KINDS[kind](rng, root, folder)
    if rng.random() < 0.5:
        (folder / "out.csv").write_bytes(OLD)
    return arguments


def faults_of(ended, seen, said, folder, arguments):
    """Say what is wrong with how a command has ended."""
    code, size = ended
    found = []
    if code not in EXIT_CODES:
        found.append(f"exit code {code}")
    of_users = arguments[0] == "doctor"  # a script's own traceback is shown
    if "not foreseen" in said or ("Traceback (most" in said and not of_users):
        found.append(said[-2_000:])
    if code in (1, 2) and not said.strip():
        found.append("not a word about why")
    if "\x1b" in seen + said:
        found.append("an escape sequence reaches the terminal")
    if size > MOST_BYTES:
        found.append(f"{size:,} bytes of memory")
    found += [f"{path} is left" for path in folder.rglob("*.tmp*")]
    for output in map(Path, arguments):
        if output.parent != folder or not output.name.startswith("out."):
            continue
        if code == 0 and not is_whole(output):
            found.append(f"{output} is not whole")
        if code != 0 and output.is_file() and output.read_bytes() != OLD:
            found.append(f"{output} is neither whole nor as it was")
    return found


def is_whole(path):
    if path.suffix == ".parquet":
        return pq.read_table(path).num_rows > 0
    return path.is_file() and path.read_bytes().endswith(b"\n")


def in_fork(arguments, folder):
    """Begin a command in a forked process; give its number."""

    def command():
        signal.alarm(MOST_S)  # its signal is no exit code that is known
        os.chdir(folder)
        for name, stream in ((".out", sys.stdout), (".err", sys.stderr)):
            os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT), stream.fileno())
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.exit(run(arguments))

    return start(command)


def in_shell(arguments, folder):
    """Begin a command as a user's shell does; give its process's number."""
    with open(folder / ".out", "wb") as out, open(folder / ".err", "wb") as err:
        process = subprocess.Popen(
            ["timeout", "-s", "ALRM", str(MOST_S), *command(*arguments)],
            cwd=folder,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
        )
    process.returncode = 0  # the caller waits for it
    return process.pid


def run_case(kind, seed, root, begin=in_fork):
    """Do one case; give its arguments, its exit code and what is wrong with it."""
    with tempfile.TemporaryDirectory(dir=root) as name:
        folder = Path(name)
        arguments = make(kind, seed, root, folder)
        _, status, used = os.wait4(begin(arguments, folder), 0)
        code = os.waitstatus_to_exitcode(status)
        told = [
            (folder / each).read_text(errors="replace") for each in (".out", ".err")
        ]
        ended = code, used.ru_maxrss * 1024
        return arguments, code, faults_of(ended, *told, folder, arguments)


def prepare(root):
    """Make the good runs, and import what the commands need, once."""
    torch.set_num_threads(1)  # a forked process has none of the others
    root = Path(root)
    hostile.make_good(root)
    for kind in KINDS:
        for seed in range(3):
            run_case(kind, seed, root)


def check(kind, seeds, root, begin=in_fork):
    """Do the cases of one kind; give their exit codes, and what is wrong with which."""
    codes, found = Counter(), []
    for seed in seeds:
        arguments, code, faults = run_case(kind, seed, Path(root), begin)
        found += [f"{kind} {seed}: {json.dumps(arguments)}\n  {f}" for f in faults]
        codes[code] += 1
    return codes, found


if __name__ == "__main__":  # one case or a range: python -m tests.faults.fuzz CSV 7 9
    with tempfile.TemporaryDirectory() as name:
        prepare(name)
        begin = time.monotonic()
        first, last = int(sys.argv[2]), int(sys.argv[-1])
        codes, found = check(sys.argv[1], range(first, last + 1), name)
        print(*found, f"exit codes: {dict(codes)}", sep="\n")
        print(f"{last - first + 1} cases in {time.monotonic() - begin:.0f} s")
