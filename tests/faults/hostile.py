"""Folders made by someone who knows the format, to run code, fill memory or mislead.

Each is a copy of a good one with one thing changed, and every digest right again.
"""

import contextlib
import hashlib
import io
import itertools
import json
import os
import pickle
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

import gradatim as gt
from gradatim.cli.main import run as command
from gradatim.store.manifest import sealed
from gradatim.store.pack import pack, unpack
from gradatim.store.tensors import read_tensors, tensor_parts
from tests.houses import with_target

KINDS = ("table", "trainer", "loop")
SEALED = ("config.json", "environment.json", "manifest.json")
CANARY = "canary"
OUTSIDE = "of someone else"
DOTTED = (
    "os.system",
    "builtins.eval",
    "subprocess.Popen",
    "canary_payload.run",
    "canary_payload:run",
    "torch.load",
    "__import__('canary_payload')",
    "../../outside.txt",
    "/etc/passwd",
    "{0.__class__}",
)

# --- Good folders ---------------------------------------------------------------------


def network():
    layers = [nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.2), nn.Linear(4, 1)]
    return nn.Sequential(*layers)


def data():
    x = torch.linspace(-1, 1, 36).reshape(12, 3)
    return x, x.sum(1, keepdim=True)


def parts():
    torch.manual_seed(0)
    model = network()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=0.1, total_steps=100
    )
    return model, optimizer, schedule


def by_trainer(folder, epochs):
    model, optimizer, schedule = parts()
    gt.Trainer(model, nn.MSELoss(), optimizer).fit(
        data(),
        data(),
        batch_size=4,
        epochs=epochs,
        seed=1,
        callbacks=[
            gt.LRScheduler(schedule, per="step"),
            gt.EarlyStopping("val_loss", patience=50),
            gt.Run(folder, monitor="val_loss"),
        ],
        progress=False,
    )


def by_loop(folder, epochs):
    model, optimizer, schedule = parts()
    train_step = gt.make_train_step(model, nn.MSELoss(), optimizer)
    run = gt.Run(folder)
    run.track(model=model, optimizer=optimizer, schedule=schedule)
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(*data()),
        batch_size=4,
        shuffle=True,
        generator=torch.Generator().manual_seed(3),
    )
    for batch in run.batches(loader, epochs=epochs):
        loss = train_step(*batch)
        schedule.step()
        run.log(loss=loss)
        if run.epoch_ends:
            run.best(loss)


PYTHON = {"trainer": by_trainer, "loop": by_loop}


def make_good(root):
    """Make a run of each kind, each with one checkpoint, and what lies outside."""
    payload = f"open({str(root / CANARY)!r}, 'w').close()\n"
    (root / "canary_payload.py").write_text(payload)
    (root / "outside.txt").write_text(OUTSIDE)
    (root / "outside" / "step-9").mkdir(parents=True)
    (root / "outside" / "step-9" / "manifest.json").write_text(OUTSIDE)
    file = root / "houses.csv"
    with_target("town", rows=60).to_csv(file, index=False)
    for kind in KINDS:
        run = root / kind / "run"
        if kind == "table":
            options = ["--target", "town", "--epochs", "2", "--hidden", "8"]
            with contextlib.redirect_stdout(io.StringIO()):
                assert command(["fit", str(file), "--run", str(run), *options]) == 0
        else:
            PYTHON[kind](run, epochs=2)
        for path in (run / "checkpoints").iterdir():
            if path != newest(run):
                shutil.rmtree(path)


def root_of(path):
    """The folder with the good runs, and with what lies outside of all of them."""
    return next(each for each in path.parents if (each / "outside.txt").exists())


def newest(run):
    """The run's last checkpoint."""
    checkpoints = (run / "checkpoints").iterdir()
    return max(checkpoints, key=lambda path: int(path.name.partition("-")[2]))


def changed_outside(root):
    """What a payload or a link has done, if anything; put back as it was."""
    found = []
    if (root / CANARY).exists():
        found.append("a payload was run")
        (root / CANARY).unlink()
    for name in ("outside.txt", "outside/step-9/manifest.json"):
        if not (root / name).exists() or (root / name).read_text() != OUTSIDE:
            found.append(f"{name} was changed")
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(OUTSIDE)
    for path in (root / "outside").iterdir():
        if path.name != "step-9":
            found.append(f"{path.name} was made in outside/")
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return found


# --- What an attacker does ------------------------------------------------------------


def seal_text(text):
    """Seal JSON that is no JSON."""
    body = text.rstrip().removesuffix("}").rstrip().encode(errors="surrogatepass")
    body += b",\n"
    return body + b'"sha256": "%s"}\n' % hashlib.sha256(body).hexdigest().encode()


def write(path, content):
    """Write a file, sealed where it has to be."""
    if isinstance(content, str) and path.name in SEALED:
        content = seal_text(content)
    if isinstance(content, str):
        content = content.encode(errors="surrogatepass")
    path.write_bytes(content)


def edit(path, change):
    """Change the JSON in a file."""
    value = json.loads(path.read_text())
    if path.name in SEALED:
        del value["sha256"]
    change(value)
    write(path, json.dumps(value, ensure_ascii=False))


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def seal_folder(folder, **sizes):
    """Write the manifest anew; ``sizes`` for files that are too large to be read."""
    files = {}
    for path in sorted(folder.iterdir()):
        if path.name == "manifest.json":
            continue
        size = sizes.get(path.name.replace(".", "_"), path.lstat().st_size)
        is_small = path.is_file() and path.lstat().st_size < 1 << 30
        sha256 = digest(path) if is_small else "0" * 64
        files[path.name] = {"size": size, "sha256": sha256}
    (folder / "manifest.json").write_bytes(sealed({"version": 1, "files": files}))


def seal_run(run, *but):
    """Make every digest right again, but of the files named."""
    if (run / "schema.json").exists() and "config.json" not in but:
        about = {"schema_sha256": digest(run / "schema.json")}
        edit(run / "config.json", lambda config: config.update(about))
    state = newest(run) / "state.json"
    if "history.jsonl" in but and state.exists():
        content = (run / "history.jsonl").read_bytes()
        about = {"rows": content.count(b"\n"), "bytes": len(content)}
        about["sha256"] = hashlib.sha256(content).hexdigest()
        edit(state, lambda value: value.update(history=about))
    for folder in (run / "model", newest(run)):
        if f"{folder.relative_to(run)}/manifest.json" not in but:
            seal_folder(folder)


def edit_state(run, change):
    """Change the state in a checkpoint as Python has it."""
    folder = newest(run)
    tensors = read_tensors((folder / "state.safetensors").read_bytes(), "")
    about = json.loads((folder / "state.json").read_text())
    state = unpack(about["state"], tensors)
    change(state)
    about["state"], tensors = pack(state)
    (folder / "state.json").write_text(json.dumps(about))
    (folder / "state.safetensors").write_bytes(b"".join(tensor_parts(tensors)))
    seal_run(run)


def leaves(value, place=()):
    """Give the places of all that is no list or object."""
    if isinstance(value, (dict, list)):
        parts = value.items() if isinstance(value, dict) else enumerate(value)
        for key, part in parts:
            yield from leaves(part, (*place, key))
    else:
        yield place


def objects(value, place=()):
    """Give the places of all objects."""
    if isinstance(value, dict):
        yield place
    if isinstance(value, (dict, list)):
        parts = value.items() if isinstance(value, dict) else enumerate(value)
        for key, part in parts:
            yield from objects(part, (*place, key))


def at(value, place):
    for key in place:
        value = value[key]
    return value


# --- The folders ----------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    name: str
    kind: str
    """Of the good run: ``table``, ``trainer`` or ``loop``."""
    change: Callable[[Path], Any]
    refused: Collection[str] = ()
    """Who must refuse it; the others refuse it, or do their work."""
    readers: Collection[str] = ()
    """Others that read the file."""


MODEL = {"load run", "load model"}
ANSWERS = {"predict", "evaluate"}
SHOWS = {"show", "show json"}


def files_of(kind):
    """By file, who reads it."""
    model = MODEL | (ANSWERS if kind == "table" else set())
    whole = model | (SHOWS if kind == "table" else set())
    of_step = {"resume"}
    found = {
        "model/manifest.json": whole,
        "model/model.json": model,
        "model/model.safetensors": model,
        "checkpoint/manifest.json": of_step,
        "checkpoint/state.json": of_step,
        "checkpoint/state.safetensors": of_step,
        "checkpoint/model.safetensors": of_step,
        "config.json": SHOWS,
        "environment.json": {"show json"},
        "history.jsonl": SHOWS | of_step,
    }
    if kind == "table":
        found["model/schema.json"] = model
        found["model/scores.json"] = MODEL | SHOWS
        found["schema.json"] = ANSWERS | of_step | {"show"}
        found["config.json"] = SHOWS | ANSWERS | of_step
    return found


def path_of(run, name):
    if name.startswith("checkpoint/"):
        return newest(run) / name.partition("/")[2]
    return run / name


def but_of(run, name):
    """The file itself, whose digest is the change."""
    return path_of(run, name).relative_to(run).as_posix()


def change_file(run, name, content):
    write(path_of(run, name), content)
    seal_run(run, but_of(run, name))


def every(kinds, suffixes):
    for kind in kinds:
        for name, readers in files_of(kind).items():
            if name.endswith(suffixes):
                yield kind, name, readers


class Payload:
    """Pickled, it is a call that makes the canary."""

    def __init__(self, root):
        self.root = root

    def __reduce__(self):
        return os.system, (f"touch {self.root / CANARY}",)


def pickles():
    for kind, name, readers in every(KINDS, (".json", ".jsonl", ".safetensors")):

        def change(run, name=name):
            change_file(run, name, pickle.dumps(Payload(root_of(run)), protocol=2))

        yield Case(f"a pickle as {name}", kind, change, readers)


def torch_files():
    def saved(run):
        file = io.BytesIO()
        torch.save({"a": Payload(root_of(run))}, file)
        return file.getvalue()

    def bomb(run):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("archive/data.pkl", pickle.dumps(Payload(root_of(run))))
            archive.writestr("archive/data/0", bytes(50_000_000))
        return file.getvalue()

    for what, make in (("torch.save", saved), ("a zip bomb", bomb)):
        for kind, name, readers in every(KINDS, ".safetensors"):

            def change(run, name=name, make=make):
                change_file(run, name, make(run))

            yield Case(f"{what} as {name}", kind, change, readers)


# --- safetensors ----------------------------------------------------------------------


def parts_of(content):
    size = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + size]), content[8 + size :]


def joined(header, values, size=None):
    if not isinstance(header, bytes):
        header = json.dumps(header).encode()
    size = len(header) if size is None else size
    return size.to_bytes(8, "little") + header + values


def header_with(change):
    """Change the header of a good file."""

    def make(content):
        header, values = parts_of(content)
        result = change(header, min(header))
        return joined(header if result is None else result, values)

    return make


def entry_with(**fields):
    return header_with(lambda header, name: header[name].update(fields))


def text_with(old, new):
    def make(content):
        header, values = parts_of(content)
        text = json.dumps(header)
        assert old in text
        return joined(text.replace(old, new, 1).encode(), values)

    return make


SAFETENSORS = {
    "a header of 2^60 bytes": lambda c: joined(*parts_of(c), size=1 << 60),
    "a header of 2^63 bytes": lambda c: joined(*parts_of(c), size=1 << 63),
    "a header of 2^64 - 1 bytes": lambda c: joined(*parts_of(c), size=2**64 - 1),
    "a header of no bytes": lambda c: joined(*parts_of(c), size=0),
    "half a header": lambda c: joined(*parts_of(c), size=20),
    "a header that is no object": lambda c: joined(b"[]", b""),
    "a header that is no JSON": lambda c: joined(b"{'a'}", b""),
    "a deep header": lambda c: joined(b"[" * 100_000 + b"]" * 100_000, b""),
    "a header of many tensors": lambda c: joined(
        {
            str(number): {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
            for number in range(60_000)
        },
        b"",
    ),
    "no bytes": lambda c: b"",
    "three bytes": lambda c: c[:3],
    "bytes behind": lambda c: c + b"\0" * 8,
    "values cut": lambda c: c[:-1],
    "offsets that overlap": header_with(
        lambda h, name: [e.update(data_offsets=[0, 4]) for e in h.values()] and None
    ),
    "a hole": header_with(
        lambda h, name: (
            [
                e.update(data_offsets=[o + 4 for o in e["data_offsets"]])
                for e in h.values()
            ]
            and None
        )
    ),
    "offsets backwards": entry_with(data_offsets=[8, 0]),
    "offsets below zero": entry_with(data_offsets=[-4, 0]),
    "offsets of 2^64": entry_with(data_offsets=[0, 1 << 64]),
    "a shape of 2^60 values": entry_with(shape=[1 << 60]),
    "a shape that overflows": entry_with(shape=[1 << 33, 1 << 33]),
    "a shape that overflows to zero": entry_with(shape=[1 << 32, 1 << 32, 0]),
    "a shape of 2^64": entry_with(shape=[0, 1 << 64]),
    "a shape below zero": entry_with(shape=[-1, -4]),
    "a shape of a thousand dimensions": entry_with(shape=[1] * 1000),
    "a shape of text": entry_with(shape=["4"]),
    "a shape of half values": entry_with(shape=[0.5, 8]),
    "an unknown dtype": entry_with(dtype="F33"),
    "a dtype that is a list": entry_with(dtype=["F32"]),
    "a dtype by name": entry_with(dtype="os.system"),
    "another dtype": entry_with(dtype="I64"),
    "an unknown field": entry_with(call="os.system"),
    "a field less": header_with(lambda h, name: h[name].pop("shape") and None),
    "metadata": header_with(
        lambda h, name: {"__metadata__": {"format": "os.system"}, **h}
    ),
    "a tensor twice": header_with(
        lambda h, name: (
            json.dumps(h)[:-1] + f", {json.dumps(name)}: {json.dumps(h[name])}}}"
        ).encode()
    ),
    "a tensor less": header_with(lambda h, name: h.pop(name) and None),
    "a tensor renamed": header_with(
        lambda h, name: {"os.system" if k == name else k: v for k, v in h.items()}
    ),
    "a tensor more": lambda c: joined(
        {
            **parts_of(c)[0],
            "more": {
                "dtype": "U8",
                "shape": [1],
                "data_offsets": [len(parts_of(c)[1]), len(parts_of(c)[1]) + 1],
            },
        },
        parts_of(c)[1] + b"\0",
    ),
    "a truth value of 7": lambda c: joined(
        {
            **parts_of(c)[0],
            "more": {
                "dtype": "BOOL",
                "shape": [1],
                "data_offsets": [len(parts_of(c)[1]), len(parts_of(c)[1]) + 1],
            },
        },
        parts_of(c)[1] + b"\7",
    ),
}


def safetensors_files():
    for what, make in SAFETENSORS.items():
        for kind, name, readers in every(KINDS, ".safetensors"):

            def change(run, name=name, make=make):
                change_file(run, name, make(path_of(run, name).read_bytes()))

            yield Case(f"{what} in {name}", kind, change, readers)


# --- JSON -----------------------------------------------------------------------------

LONG = 16 << 20
VALUES = {
    "NaN": "NaN",
    "Infinity": "Infinity",
    "-Infinity": "-Infinity",
    "1e999": "1e999",
    "10^400": "1" + "0" * 400,
    "10^5000": "1" + "0" * 5000,
    "a hundred thousand lists": "[" * 100_000 + "]" * 100_000,
    "a thousand lists": "[" * 1000 + "]" * 1000,
    "a hundred thousand objects": '{"a":' * 100_000 + "1" + "}" * 100_000,
    "a key twice": '{"a": 1, "a": 2}',
    "a comment": "1 /* */",
    "a single quote": "'a'",
}
LONG_VALUES: dict[str, Callable[[], str]] = {
    "16 MB of [": lambda: "[" * LONG,
    "16 MB of {}": lambda: f"[{','.join(['{}'] * (LONG // 3))}]",
    "16 MB of numbers": lambda: f"[{','.join(['999'] * (LONG // 4))}]",
    "16 MB of one number": lambda: "1" * LONG,
    "16 MB of one text": lambda: f'"{"a" * LONG}"',
    "15.9 MB of one text": lambda: f'"{"a" * (LONG - 100_000)}"',
    "12 MB of one wide text": lambda: f'"{"😀" * (LONG // 4 - 100_000)}"',
    "as many keys as may be": lambda: (
        "{" + ",".join(f'"{number:08x}":1' for number in range(390_000)) + "}"
    ),
    "as many objects as may be": lambda: "[" + ",".join(['{"a":1.5}'] * 260_000) + "]",
    "as many texts as may be": lambda: "[" + ",".join(['"aé"'] * 780_000) + "]",
}
"""Made when they are used: each process that imports this would keep 150 MB of them."""
PLACE = "place of the value"


def json_values(values):
    """Every field on top of every file, with each of the values."""
    for what, text in values.items():
        for kind, name, readers in every(KINDS, (".json", ".jsonl")):

            def change(run, name=name, text=text):
                path = path_of(run, name)
                if name.endswith("l"):
                    write(path, f'{{"epoch": {text}}}\n')
                else:
                    value = json.loads(path.read_text())
                    value.pop("sha256", None)
                    value["version" if name in SEALED else min(value)] = PLACE
                    write(path, json.dumps(value).replace(json.dumps(PLACE), text))
                seal_run(run, but_of(run, name), name)

            yield Case(f"{what} in {name}", kind, change, readers)


TEXTS = {
    "nothing": b"",
    "a list": b"[]",
    "null": b"null",
    "a text": b'"os.system"',
    "a number": b"7",
    "an empty object": b"{}",
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"version": 1}'.encode("utf-16"),
    "no UTF-8": b'{"version": 1, "a": "\xff"}',
    "NUL": b'{"version": 1}\0',
    "two values": b'{"version": 1} {"version": 1}',
    "a hundred thousand lists": b"[" * 100_000,
}


def json_files():
    for what, content in TEXTS.items():
        for kind, name, readers in every(KINDS, (".json", ".jsonl")):
            if name.endswith("l") and what in ("nothing", "an empty object"):
                continue  # a history without rows

            def change(run, name=name, content=content):
                path = path_of(run, name)
                newline = b"\n" if name.endswith("l") else b""
                path.write_bytes(content + newline)
                seal_run(run, but_of(run, name), name)

            yield Case(f"{what} as {name}", kind, change, readers)


VERSIONS = [0, 2, 3, -1, "1", True, 1.0, None, [1], {}, 10**30]


def versions():
    for version in VERSIONS:
        for kind, name, readers in every(KINDS, ".json"):
            if version == 2 and name in SEALED[:2]:
                continue

            def change(run, name=name, version=version):
                path = path_of(run, name)
                edit(path, lambda value: value.update(version=version))
                seal_run(run, but_of(run, name))

            yield Case(f"version {version!r} in {name}", kind, change, readers)


def keys():
    """A key more, a key less, or under another name, on top of every file."""
    for kind, name, readers in every(KINDS, ".json"):
        for key in ("os.system", "__reduce__", "__class__", "$", ""):

            def add(run, name=name, key=key):
                edit(path_of(run, name), lambda value: value.update({key: ["id"]}))
                seal_run(run, but_of(run, name))

            yield Case(f"{key!r} more in {name}", kind, add, readers)


def value_of(good, kind, name):
    """The JSON in a file of a good run; of a history the first line."""
    text = path_of(good / kind / "run", name).read_text()
    value = json.loads(text.splitlines()[0] if name.endswith("l") else text)
    value.pop("sha256", None)
    return value


def change_at(run, name, what):
    """Change the JSON of a file; of a history the first line."""
    path = path_of(run, name)
    if name.endswith("l"):
        first, *rest = path.read_text().splitlines()
        value = json.loads(first)
        what(value)
        path.write_text("\n".join([json.dumps(value), *rest, ""]))
    else:
        edit(path, what)
    seal_run(run, but_of(run, name), name)


def walk(good, places, ways):
    """One thing changed at every place of every file, the next way each time.

    Args:
        good: The folder of the good runs.
        places: Gives those of a file's JSON.
        ways: By their names, functions of the JSON and a place.
    """
    turn = itertools.cycle(ways.items())
    for kind, name, readers in every(KINDS, (".json", ".jsonl")):
        for place in places(value_of(good, kind, name)):
            how, way = next(turn)

            def change(run, name=name, place=place, way=way):
                change_at(run, name, lambda value: way(value, place))

            where = ".".join(map(str, place))
            what = f"{how} at {where} of {name}"
            yield Case(what, kind, change, readers=readers)


def put(new):
    def at_place(value, place):
        at(value, place[:-1])[place[-1]] = new

    return at_place


def rename(new):
    def at_place(value, place):
        part = at(value, place[:-1]).pop(place[-1])
        if new is not None:
            at(value, place[:-1])[new] = part

    return at_place


def dotted_names(good):
    """A dotted name in the place of every text of every file."""

    def texts(value):
        return [place for place in leaves(value) if isinstance(at(value, place), str)]

    return walk(good, texts, {name: put(name) for name in DOTTED})


INSTEAD = [None, True, -1, 0, 1.5, 10**30, 1e300, "", "x", {"$": []}]


def other_values(good):
    """Something else in the place of every value of every file."""
    return walk(good, leaves, {repr(new): put(new) for new in INSTEAD})


def other_keys(good):
    """Every key left out, or with another name."""

    def keys(value):
        for place in [(), *objects(value)]:
            yield from ((*place, key) for key in at(value, place))

    names = (None, "__reduce__", "os.system", "__class__")
    return walk(good, keys, {f"{new} for the key": rename(new) for new in names})


# --- Names, links, sizes --------------------------------------------------------------

FILE_NAMES = [
    "../x",
    "../../outside.txt",
    "/etc/passwd",
    "a/b",
    "..",
    ".",
    "",
    "a\0b",
    "a\\b",
    "C:x",
    "a\nb",
    "\x1b[2J",
    "é" * 300,
    "os.system",
    "manifest.json",
]


def file_names():
    for folder in ("model", "checkpoint"):
        for file_name in FILE_NAMES:

            def change(run, folder=folder, file_name=file_name):
                entry = {"size": len(OUTSIDE), "sha256": "0" * 64}
                place = path_of(run, f"{folder}/manifest.json")
                edit(place, lambda value: value["files"].update({file_name: entry}))

            for kind in KINDS:
                readers = files_of(kind)[f"{folder}/manifest.json"]
                name = f"{file_name!r} in {folder}/manifest.json"
                yield Case(name, kind, change, readers)


def entries():
    wrong = {
        "a size below zero": {"size": -1},
        "a size of 10^30": {"size": 10**30},
        "a size of text": {"size": "1"},
        "a truth for a size": {"size": True},
        "no digest": {"sha256": None},
        "a list for a digest": {"sha256": []},
        "a field more": {"call": "os.system"},
        "self": {"self": 1},
    }
    for what, fields in wrong.items():
        for folder in ("model", "checkpoint"):

            def change(run, folder=folder, fields=fields):
                def into_first(value):
                    next(iter(value["files"].values())).update(fields)

                edit(path_of(run, f"{folder}/manifest.json"), into_first)

            for kind in KINDS:
                readers = files_of(kind)[f"{folder}/manifest.json"]
                yield Case(f"{what} in {folder}/manifest.json", kind, change, readers)


def replace_by(path, make):
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    make(path)


def special_files():
    """Links, pipes, devices and folders in the place of every file."""

    def link_outside(path):
        path.symlink_to(root_of(path) / "outside.txt")

    makers = {
        "a link to a file outside": link_outside,
        "a link to /dev/zero": lambda path: path.symlink_to("/dev/zero"),
        "a link to itself": lambda path: path.symlink_to(path),
        "a link to nothing": lambda path: path.symlink_to("nowhere"),
        "a named pipe": os.mkfifo,
        "a folder": Path.mkdir,
    }
    if can_make_devices():
        makers["/dev/zero"] = lambda path: os.mknod(
            path, 0o666 | stat.S_IFCHR, os.makedev(1, 5)
        )
    for what, make in makers.items():
        for kind, name, readers in every(KINDS, (".json", ".jsonl", ".safetensors")):
            if name == "history.jsonl":
                readers = {"resume"}  # without one there are no rows to show

            def change(run, name=name, make=make):
                replace_by(path_of(run, name), make)
                if path_of(run, name).name != "manifest.json":
                    seal_run(run, "config.json")

            yield Case(f"{what} as {name}", kind, change, readers)


def can_make_devices():
    with tempfile.TemporaryDirectory() as folder:
        try:
            os.mknod(Path(folder, "x"), 0o600 | stat.S_IFCHR, os.makedev(1, 5))
            with open(Path(folder, "x"), "rb") as file:
                return file.read(1) == b"\0"
        except OSError:
            return False


def links_that_are_written_to():
    """A resume writes to these; with no rows yet the history need not be read."""

    def link(run, name):
        if (run / name).exists():
            (run / name).unlink()
        (run / name).symlink_to(root_of(run) / "outside.txt")
        nothing = {"rows": 0, "bytes": 0, "sha256": hashlib.sha256().hexdigest()}
        edit(newest(run) / "state.json", lambda value: value.update(history=nothing))
        seal_run(run)

    for kind in KINDS:
        for name in ("lock", "history.jsonl"):

            def change(run, name=name):
                link(run, name)

            yield Case(f"a link for {name} to write to", kind, change, {"resume"})


def linked_folders():
    def outside(run, name):
        place = run / name
        good = shutil.move(place, run.parent / f"good {place.name}")
        place.symlink_to(good)

    def checkpoints(run):
        shutil.rmtree(run / "checkpoints")
        (run / "checkpoints").symlink_to(root_of(run) / "outside")

    for kind in KINDS:
        readers = files_of(kind)["model/manifest.json"]
        yield Case(
            "a link for model/", kind, lambda run: outside(run, "model"), readers
        )
        yield Case(
            "a link for checkpoints/",
            kind,
            lambda run: outside(run, "checkpoints"),
            {"resume"},
        )
        yield Case("a link for checkpoints/ of another", kind, checkpoints, {"resume"})
        yield Case(
            "a link for a checkpoint",
            kind,
            lambda run: outside(run, f"checkpoints/{newest(run).name}"),
        )


def large_files():
    """Files of zeros that take no room on the disk."""
    sizes = {"1 TB": 1 << 40, "2 GB": 1 << 31}
    for size_name, size in sizes.items():
        for kind, name, readers in every(KINDS, (".json", ".safetensors")):
            if name.endswith("manifest.json") or (
                size_name == "2 GB" and name.endswith(".safetensors")
            ):
                continue

            def change(run, name=name, size=size):
                seal_run(run)
                path = path_of(run, name)
                os.truncate(path, size)
                if path.parent != run:
                    seal_folder(path.parent)

            yield Case(f"{size_name} as {name}", kind, change, readers)

    def history(run, size, position):
        os.truncate(run / "history.jsonl", size)
        state = newest(run) / "state.json"
        edit(state, lambda value: value["history"].update(bytes=position))
        seal_run(run)

    for kind in KINDS:
        yield Case(
            "1 TB as history.jsonl",
            kind,
            lambda run: history(run, 1 << 40, 1 << 40),
            {"resume", *SHOWS},
        )
        yield Case(
            "1 TB behind the rows of history.jsonl",
            kind,
            lambda run: os.truncate(run / "history.jsonl", 1 << 40),
            SHOWS,
        )


def weights_of_4_gb():
    """A file of the format, of zeros, with a right header; it takes no room."""

    def change(run):
        path = run / "model" / "model.safetensors"
        header, values = parts_of(path.read_bytes())
        entry = {"dtype": "U8", "shape": [1 << 32]}
        end = len(values) + (1 << 32)
        header["more"] = {**entry, "data_offsets": [len(values), end]}
        content = joined(header, values)
        path.write_bytes(content)
        os.truncate(path, len(content) + (1 << 32))
        seal_folder(path.parent)

    for kind in KINDS:
        yield Case("weights of 4 GB", kind, change, MODEL)

    def junk(run, name):
        """A file more, which the manifest names."""
        path = path_of(run, f"{name}/more.safetensors")
        path.write_bytes(b"")
        os.truncate(path, 1 << 32)
        seal_folder(path.parent)

    def cursor(run, name):
        (path_of(run, f"{name}/manifest.json").parent / "\x1b[2J\n").write_text("x")

    for kind in KINDS:
        for name in ("model", "checkpoint"):
            yield Case(
                f"a file in {name}/ whose name moves the cursor",
                kind,
                partial(cursor, name=name),
                files_of(kind)[f"{name}/manifest.json"],
            )

    for kind in KINDS:
        yield Case("4 GB more", kind, lambda run: junk(run, "model"), MODEL)
        yield Case("4 GB beside", kind, lambda run: junk(run, "checkpoint"), {"resume"})


# --- What a table's model says of itself ----------------------------------------------


def edit_model(run, name, change):
    edit(run / "model" / name, change)
    if name == "schema.json":
        shutil.copy(run / "model" / name, run / name)
    seal_run(run)


def architecture(**fields):
    def change(run):
        edit_model(
            run, "model.json", lambda value: value["architecture"].update(fields)
        )

    return change


def column(number, **fields):
    def change(run):
        edit_model(
            run, "schema.json", lambda value: value["columns"][number].update(fields)
        )

    return change


def target(**fields):
    def change(run):
        edit_model(run, "schema.json", lambda value: value["target"].update(fields))

    return change


def description(**fields):
    return lambda run: edit_model(run, "model.json", lambda value: value.update(fields))


def training(**fields):
    def change(run):
        edit(run / "config.json", lambda value: value["training"].update(fields))

    return change


def scores(change):
    return lambda run: edit_model(run, "scores.json", change)


def tables():
    readers, shown, every_column = MODEL | ANSWERS, MODEL | SHOWS, {"resume", *MODEL}
    changes = {
        "a width of 10^5": (architecture(width=10**5), readers),
        "a width of 10^30": (architecture(width=10**30), readers),
        "999 blocks": (architecture(num_blocks=999), readers),
        "10^9 blocks": (architecture(num_blocks=10**9), readers),
        "10^6 features": (architecture(num_features=10**6), readers),
        "10^6 outputs": (architecture(num_outputs=10**6), readers),
        "no outputs": (architecture(num_outputs=0), readers),
        "a network by name": (architecture(name="os.system"), readers),
        "a network by path": (architecture(name="canary_payload:run"), readers),
        "a network of one's own": (
            lambda run: edit_model(
                run,
                "model.json",
                lambda v: v.update(
                    architecture={
                        "name": "custom",
                        "num_features": v["architecture"]["num_features"],
                        "num_outputs": 3,
                    }
                ),
            ),
            (),
        ),
        "another task": (description(task="binary"), readers),
        "a task by name": (description(task="os.system"), readers),
        "a module for a table": (description(kind="module"), readers),
        "an unknown kind": (description(kind="os.system"), readers),
        "a vocabulary of 400,000": (
            column(2, vocabulary=[str(n) for n in range(400_000)]),
            readers,
        ),
        "20,000 columns more": (
            lambda run: edit_model(
                run,
                "schema.json",
                lambda value: value["columns"].extend(
                    {**value["columns"][2], "name": str(n)} for n in range(20_000)
                ),
            ),
            {*MODEL, "predict"},
        ),
        "20,000 labels": (target(labels=[str(n) for n in range(20_000)]), readers),
        "no target": (
            lambda run: edit_model(
                run, "schema.json", lambda value: value.update(target=None)
            ),
            readers,
        ),
        "no columns": (
            lambda run: edit_model(
                run, "schema.json", lambda value: value.update(columns=[])
            ),
            readers,
        ),
        "a target that is a list": (
            lambda run: edit_model(
                run, "schema.json", lambda value: value.update(target=[])
            ),
            readers,
        ),
        "labels twice": (target(labels=["Aach", "Aach", "Ulm"]), readers),
        "labels of two kinds": (target(labels=["Aach", 1, "Ulm"]), readers),
        "an origin of 10^300": (column(0, origin=10**300), readers),
        "an origin beyond 64 bits": (column(3, origin=2**63), readers),
        "a zone that is none": (
            column(3, type="timestamp[s, tz=../../../etc/passwd]"),
            readers,
        ),
        "a part that is none": (column(3, parts=["os.system"]), readers),
        "no unit": (column(3, unit=""), readers),
        "a type that is none": (column(0, type="os.system"), readers),
        "numbers that are text": (column(0, type="string"), readers),
        "times that are numbers": (column(0, kind="datetime"), readers),
        "a column twice": (column(0, name="rooms"), readers),
        "the target as a column": (column(0, name="town"), readers),
        "missing in -1 rows": (column(0, num_missing=-1), readers),
        "missing in half a row": (column(0, num_missing=0.5), readers),
        "another gap": (column(1, num_missing=3), readers),
        "no scores": (scores(lambda value: value.update(scores={})), shown),
        "scores of text": (
            scores(lambda value: value["scores"]["model"].update(accuracy="os.system")),
            shown,
        ),
        "scores of one another": (
            scores(lambda value: value["scores"].update(linear={"rmse": 1.0})),
            shown,
        ),
        "intervals of text": (
            scores(lambda value: value["intervals"].update(accuracy="os.system")),
            shown,
        ),
        "an interval of three": (
            scores(lambda value: value["intervals"]["accuracy"].append(1)),
            shown,
        ),
        "a confusion of more rows": (
            scores(lambda value: value["confusion"][0].append(1)),
            shown,
        ),
        "a confusion of -1": (
            scores(lambda value: value["confusion"][0].__setitem__(0, -1)),
            shown,
        ),
        "rows of text": (scores(lambda value: value.update(rows="os.system")), shown),
        "a reason that is a list": (
            scores(lambda value: value.update(stop_reason=["os.system"])),
            shown,
        ),
        "hidden 10^9": (training(hidden=10**9), every_column - MODEL),
        "hidden of text": (training(hidden="os.system"), every_column - MODEL),
        "10^30 epochs": (training(epochs=10**30), every_column - MODEL),
        "a batch of 10^30": (training(batch_size=10**30), every_column - MODEL),
        "an endless lr": (training(lr=1e300), ()),
        "a choice more": (training(hook="os.system"), every_column - MODEL),
        "a choice less": (
            lambda run: edit(
                run / "config.json", lambda value: value["training"].pop("seed")
            ),
            every_column - MODEL,
        ),
    }
    for what, (change, refused) in changes.items():
        yield Case(what, "table", change, refused)

    def buffer(name, value):
        def change(run):
            path = run / "model" / "model.safetensors"
            tensors = read_tensors(path.read_bytes(), "")
            tensors[name] = torch.full_like(tensors[name], value)
            path.write_bytes(b"".join(tensor_parts(tensors)))
            seal_run(run)

        return change

    flagged = "encoder.parts.numbers.flagged"
    yield Case("an index of 10^9", "table", buffer(flagged, 10**9), readers)
    yield Case("an index of -1", "table", buffer(flagged, -1), readers)
    origin = "encoder.parts.times.origin"
    yield Case("another origin", "table", buffer(origin, 1), readers)


# --- Trees of state -------------------------------------------------------------------

TENSOR = {"$": ["tensor", "gone"]}
TREES = {
    "an unknown kind": {"$": ["os.system", "id"]},
    "a kind of Python": {"$": ["object", "os.system"]},
    "reduce": {"$": ["reduce", ["os.system", ["id"]]]},
    "a kind that is a list": {"$": [["tuple"], []]},
    "a kind that is null": {"$": [None, []]},
    "no pair": {"$": ["tuple"]},
    "three": {"$": ["tuple", [], []]},
    "nothing": {"$": []},
    "a text for a pair": {"$": "ab"},
    "an object for a pair": {"$": {"tuple": 1, "b": 2}},
    "a number for a pair": {"$": 7},
    "a key beside": {"$": ["tuple", []], "a": 1},
    "a key like it": {"$a": 1},
    "a tensor that is not there": TENSOR,
    "a tensor of no name": {"$": ["tensor", None]},
    "a tensor of a list": {"$": ["tensor", ["a"]]},
    "a strided tensor that is not there": {"$": ["strided tensor", ["gone", [1]]]},
    "a strided tensor of text": {"$": ["strided tensor", "ab"]},
    "a complex tensor of text": {"$": ["complex tensor", "gone"]},
    "an array of a list": {"$": ["array", [1, 2]]},
    "a tuple of text": {"$": ["tuple", "os.system"]},
    "a tuple of an object": {"$": ["tuple", {"a": 1}]},
    "a set of lists": {"$": ["set", [[1]]]},
    "a set of one twice": {"$": ["set", [1, 1]]},
    "a deque of text": {"$": ["deque", "ab"]},
    "a deque below zero": {"$": ["deque", [[1], -1]]},
    "a deque of text at most": {"$": ["deque", [[1], "os.system"]]},
    "a dict of no pairs": {"$": ["dict", [1, 2]]},
    "a dict of texts": {"$": ["dict", ["ab"]]},
    "a dict with a key twice": {"$": ["dict", [[1, 2], [1, 3]]]},
    "a dict with lists for keys": {"$": ["dict", [[[1], 2]]]},
    "a counter of texts": {"$": ["counter", "ab"]},
    "a defaultdict by name": {"$": ["defaultdict", ["os.system", []]]},
    "a defaultdict of eval": {"$": ["defaultdict", ["eval", []]]},
    "a float by name": {"$": ["float", "os.system"]},
    "a float of digits": {"$": ["float", "1e999"]},
    "a complex of texts": {"$": ["complex", ["1", "2"]]},
    "a complex of one": {"$": ["complex", [1.0]]},
    "a dtype by name": {"$": ["dtype", "Tensor"]},
    "a dtype of os": {"$": ["dtype", "os.system"]},
    "a dtype of a list": {"$": ["dtype", ["float32"]]},
    "a device by name": {"$": ["device", "os.system"]},
    "a device by number": {"$": ["device", 0]},
    "a size of texts": {"$": ["size", ["a"]]},
    "a size of 10^30": {"$": ["size", [10**30]]},
    "a size of a number": {"$": ["size", 3]},
    "deep tuples": None,
    "keys of one hash": {"$": ["dict", [[n * (2**61 - 1), 0] for n in range(20_000)]]},
    "a set of one hash": {"$": ["set", [n * (2**61 - 1) for n in range(20_000)]]},
}
nested = 0
for _ in range(60):
    nested = {"$": ["tuple", [nested]]}
TREES["deep tuples"] = nested

HARMLESS_TREES = {
    "a device that is not there": {"$": ["device", "cuda:99"]},
    "the device meta": {"$": ["device", "meta"]},
}


def trees():
    for what, tree in {**TREES, **HARMLESS_TREES}.items():
        refused = what in TREES

        def in_state(run, tree=tree):
            state = newest(run) / "state.json"
            edit(state, lambda value: value["state"].update(more=tree))
            seal_run(run)

        def in_record(run, tree=tree):
            state = newest(run) / "state.json"
            edit(state, lambda value: value["config"].update(more=tree))
            seal_run(run)

        def in_model(run, tree=tree):
            edit_model(
                run, "model.json", lambda value: value["state"].update(more=tree)
            )

        def in_history(run, tree=tree):
            rows = (run / "history.jsonl").read_text()
            row = json.dumps({"epoch": 3, "more": tree})
            (run / "history.jsonl").write_text(f"{rows}{row}\n")
            seal_run(run, "history.jsonl")

        for kind in KINDS:
            readers = {"resume"} if refused else ()
            yield Case(f"{what} in the state", kind, in_state, readers)
            yield Case(f"{what} in the record", kind, in_record, {"resume"})
            readers = SHOWS | {"resume"} if refused else ()
            yield Case(f"{what} in the history", kind, in_history, readers)
            if kind != "table":
                readers = MODEL if refused else ()
                yield Case(f"{what} in the model", kind, in_model, readers)


# --- The state of a training ----------------------------------------------------------


def behind(state):
    """A state of torch's generator that stands at its last word, with all to come."""
    state = state.clone()
    state[8:24].view(torch.int32).copy_(torch.tensor([624, 1, 624, 0]))
    return state


def rng_states():
    def change_rng(change):
        return lambda run: edit_state(run, lambda state: change(state["rng"]))

    def numpys(place, value):
        return change_rng(lambda rng: rng["numpy"].__setitem__(place, value))

    def pythons(place, value):
        return change_rng(lambda rng: rng["python"].__setitem__(place, value))

    return {
        "no generators": lambda run: edit_state(run, lambda state: state.pop("rng")),
        "generators of text": lambda run: edit_state(
            run, lambda state: state.update(rng="os.system")
        ),
        "NumPy behind its numbers": numpys(2, 10**6),
        "NumPy far behind its numbers": numpys(2, 2**31 - 1),
        "NumPy before its numbers": numpys(2, -5),
        "NumPy of another kind": numpys(0, "os.system"),
        "NumPy with few numbers": numpys(1, torch.zeros(3, dtype=torch.int64)),
        "NumPy with no numbers": numpys(1, "os.system"),
        "Python of another version": pythons(0, 99),
        "Python with few numbers": pythons(1, torch.zeros(3, dtype=torch.int64)),
        "Python below zero": pythons(1, torch.full((625,), -1)),
        "Python behind its numbers": pythons(1, torch.full((625,), 1000)),
        "torch too short": change_rng(
            lambda rng: rng.update(torch=torch.zeros(3, dtype=torch.uint8))
        ),
        "torch of zeros": change_rng(
            lambda rng: rng.update(torch=torch.zeros(5056, dtype=torch.uint8))
        ),
        "torch behind its numbers": change_rng(
            lambda rng: rng.update(torch=behind(rng["torch"]))
        ),
        "torch of floats": change_rng(lambda rng: rng.update(torch=torch.zeros(5056))),
        "torch of text": change_rng(lambda rng: rng.update(torch="os.system")),
    }


def optimizer_in(state):
    if "trainer" in state:
        return state["trainer"]["train_step"]["optimizer"]
    return state["tracked"]["optimizer"]


def optimizer_states():
    def change_first(change):
        def edited(run):
            edit_state(run, lambda state: change(optimizer_in(state)["state"][0]))

        return edited

    def sized(*shape):
        tensor = torch.zeros(shape)
        return change_first(
            lambda first: first.update(exp_avg=tensor, exp_avg_sq=tensor.clone())
        )

    def change_groups(change):
        return lambda run: edit_state(
            run, lambda state: change(optimizer_in(state)["param_groups"])
        )

    return {
        "averages of one number": sized(1),
        "averages of no shape": sized(),
        "averages of no number": sized(0),
        "averages of too many numbers": sized(100_000),
        "averages of another shape": sized(4, 3, 1),
        "averages of text": change_first(lambda first: first.update(exp_avg="x")),
        "no groups": change_groups(lambda groups: groups.clear()),
        "a group more": change_groups(lambda groups: groups.append(groups[0])),
        "a group of text": change_groups(lambda groups: groups.append("os.system")),
        "a parameter more": change_groups(lambda gs: gs[0]["params"].append(99)),
        "no parameters": change_groups(lambda groups: groups[0].pop("params")),
        "no optimizer": lambda run: edit_state(
            run, lambda state: optimizer_in(state).clear()
        ),
    }


def trainings():
    def state_of(change):
        return lambda run: edit_state(run, change)

    for what, change in (rng_states() | optimizer_states()).items():
        for kind in KINDS:
            yield Case(what, kind, change, {"resume"})

    of_trainer = {
        "no trainer": state_of(lambda state: state.pop("trainer")),
        "no callbacks": state_of(lambda state: state.pop("callbacks")),
        "a trainer of text": state_of(lambda state: state.update(trainer="os.system")),
        "callbacks of text": state_of(lambda state: state.update(callbacks="id")),
        "callbacks by number": state_of(lambda state: state.update(callbacks=[{}])),
        "another step": state_of(
            lambda state: state["trainer"]["train_step"].update(num_steps=1)
        ),
        "a step of text": state_of(
            lambda state: state["trainer"]["train_step"].update(num_steps="os.system")
        ),
        "another epoch": state_of(lambda state: state["trainer"].update(epoch=10**9)),
        "samples of text": state_of(
            lambda state: state["trainer"].update(num_samples="os.system")
        ),
        "a loss of text": state_of(
            lambda state: state["trainer"]["so_far"].update(loss_total="os.system")
        ),
        "batches of text": state_of(
            lambda state: state["trainer"]["so_far"].update(num_batches="os.system")
        ),
        "a best value of text": state_of(
            lambda state: state["callbacks"]["EarlyStopping"].update(
                best_value="os.system"
            )
        ),
        "best weights of another shape": state_of(
            lambda state: state["callbacks"]["EarlyStopping"]["best_state"].update(
                {
                    name: torch.zeros(7)
                    for name in state["callbacks"]["EarlyStopping"]["best_state"]
                }
            )
        ),
        "best weights of text": state_of(
            lambda state: state["callbacks"]["EarlyStopping"].update(best_state="id")
        ),
        "no schedule": state_of(
            lambda state: state["callbacks"]["LRScheduler"].pop("scheduler")
        ),
        "a schedule of text": state_of(
            lambda state: state["callbacks"]["LRScheduler"].update(scheduler="id")
        ),
        "a schedule without its methods": state_of(
            lambda state: state["callbacks"]["LRScheduler"]["scheduler"].update(
                step="os.system", get_lr="os.system", optimizer="os.system"
            )
        ),
    }
    for what, change in of_trainer.items():
        for kind in ("table", "trainer"):
            yield Case(what, kind, change, {"resume"})
    of_loop = {
        "nothing tracked": state_of(lambda state: state.pop("tracked")),
        "tracked text": state_of(lambda state: state.update(tracked="os.system")),
        "an optimizer of text": state_of(
            lambda state: state["tracked"].update(optimizer="os.system")
        ),
        "gradients of text": state_of(
            lambda state: state.update(gradients="os.system")
        ),
        "gradients of another shape": state_of(
            lambda state: state.update(
                gradients={"model": {"0.weight": torch.zeros(7)}}
            )
        ),
        "sparse gradients far away": state_of(
            lambda state: state.update(
                gradients={
                    "model": {
                        "0.weight": {
                            "indices": torch.tensor([[10**9], [10**9]]),
                            "values": torch.ones(1),
                            "size": torch.Size([4, 3]),
                            "is_coalesced": True,
                        }
                    }
                }
            )
        ),
        "a loader behind its numbers": state_of(
            lambda state: state["batches"].update(
                generators=[behind(state["batches"]["generators"][0])]
            )
        ),
        "no batches": state_of(lambda state: state.pop("batches")),
        "batches of text": state_of(lambda state: state.update(batches="os.system")),
        "a loader that began nowhere": state_of(
            lambda state: state["batches"].update(began={"rng": "os.system"})
        ),
        "a schedule of text": state_of(
            lambda state: state["tracked"].update(schedule="os.system")
        ),
    }
    for what, change in of_loop.items():
        yield Case(what, "loop", change, {"resume"})

    def records(**fields):
        def change(run):
            edit(newest(run) / "state.json", lambda value: value.update(fields))
            seal_run(run)

        return change

    of_record = {
        "a step that is not the folder's": records(step=1),
        "a step below zero": records(step=-1),
        "an epoch of 10^30": records(epoch=10**30),
        "a best of text": records(best="os.system"),
        "a best without its value": records(best={"step": 1}),
        "resumes of text": records(resumes=["os.system"]),
        "an end that is a list": records(ended=["os.system"]),
        "a history below zero": records(
            history={"rows": 1, "bytes": -5, "sha256": "0" * 64}
        ),
        "a history too long": records(
            history={"rows": 1, "bytes": 10**12, "sha256": "0" * 64}
        ),
        "data of text": records(data="os.system"),
        "weights of text": records(model="os.system"),
        "a state of text": records(state="os.system"),
    }
    for what, change in of_record.items():
        for kind in KINDS:
            yield Case(what, kind, change, {"resume"})

    def swapped(run):
        """Weights under each other's names: the same shapes, another model."""
        edit_model(
            run,
            "model.json",
            lambda value: value["state"].update({"0.bias": value["state"]["1.bias"]}),
        )

    yield Case("a tensor taken twice", "trainer", swapped, MODEL)


def strides():
    """Of a tensor in the state, in an order or a number that no tensor has."""
    wrong = {
        "strides of 10^30": [10**30, 1],
        "strides of zero": [0, 0],
        "strides below zero": [-3, -1],
        "strides with holes": [30, 1],
        "strides that overlap": [1, 1],
        "strides of text": ["a", "b"],
        "one stride": [1],
        "three strides": [3, 1, 1],
        "strides that are true": [3, True],
    }
    for what, values in wrong.items():

        def change(run, values=values):
            def edited(value):
                tree = value["state"]["0.weight"]
                assert tree["$"] == ["tensor", "0.weight"]
                tree["$"] = ["strided tensor", ["0.weight", values]]

            edit_model(run, "model.json", edited)

        yield Case(what, "trainer", change, MODEL)


FIXED = {
    "pickles": pickles,
    "files of torch": torch_files,
    "safetensors": safetensors_files,
    "values of JSON": lambda: json_values(VALUES),
    "files of JSON": json_files,
    "versions": versions,
    "keys": keys,
    "file names": file_names,
    "manifests": entries,
    "links and pipes": special_files,
    "links to write to": links_that_are_written_to,
    "links to folders": linked_folders,
    "large files": large_files,
    "too much": weights_of_4_gb,
    "tables": tables,
    "trees": trees,
    "states": trainings,
    "strides": strides,
}
"""The folders that need not be derived from a good one, by what is wrong with them."""

WALKS = {
    "dotted names": dotted_names,
    "other values": other_values,
    "other keys": other_keys,
}
"""Those that have something else in one place of a good one."""
