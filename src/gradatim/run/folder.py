"""Making, finding and reading run folders.

A run folder holds::

    config.json       what was asked for, the data file's name and size, digests
    schema.json       the columns as they were frozen
    history.jsonl     one line an epoch
    model/            model.safetensors and model.json
    scores.json       on the test rows: baseline, linear model, model
    environment.json  versions, threads, device

It is written beside its place and moved there when it is whole. A part that is read is
compared with its digest first.
"""

import contextlib
import hashlib
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from gradatim.data.schema import Schema
from gradatim.errors import RunError, nearest_name
from gradatim.history import History
from gradatim.run.environment import environment
from gradatim.run.jsonfile import (
    read_json,
    read_json_lines,
    to_json,
    write_bytes,
    write_json,
)
from gradatim.run.model_file import (
    DESCRIPTION,
    TENSORS,
    load_table_model,
    save_table_model,
)
from gradatim.tabular.fit import FittedTable
from gradatim.tabular.network import TableModel
from gradatim.tabular.plan import NetworkFactory

__all__ = [
    "RunFolder",
    "check_free",
    "find_run",
    "new_run_path",
    "write_new_run",
    "write_run",
]

VERSION = 1
RUNS = Path("runs")
MOST_STEM = 50
"""Letters that a file's name gives to its run's: up to four bytes each, of 255."""


@dataclass(frozen=True)
class RunFolder:
    """A run on the disk; its parts are read when they are asked for."""

    path: Path

    @cached_property
    def config(self) -> dict[str, Any]:
        """What was asked for."""
        path = self.path / "config.json"
        config: dict[str, Any] = read_json(path, version=VERSION)
        if absent := {"created_at", "rows", "training", "sha256"} - set(config):
            raise RunError(
                f"{path} lacks {', '.join(sorted(absent))}.\n"
                "It was damaged, or changed by hand.\nCopy the run folder again."
            )
        return config

    @cached_property
    def schema(self) -> Schema:
        """The frozen columns."""
        return Schema.load(self._checked("schema.json"))

    @cached_property
    def history(self) -> History:
        """The epochs."""
        history = History()
        for row in read_json_lines(self._checked("history.jsonl")):
            history.append(row)
        history.stop_reason = self.scores["stop_reason"]
        return history

    @cached_property
    def scores(self) -> dict[str, Any]:
        """Scores on the test rows, and how many these are."""
        path = self._checked("scores.json")
        scores: dict[str, Any] = read_json(path, version=VERSION)
        return scores

    @cached_property
    def environment(self) -> dict[str, Any]:
        """Versions and machine."""
        path = self._checked("environment.json")
        found: dict[str, Any] = read_json(path, version=VERSION)
        return found

    def load_model(self, factory: NetworkFactory | None = None) -> TableModel:
        """Read the model; see :func:`load_table_model`."""
        for name in (DESCRIPTION, TENSORS):
            self._checked(f"model/{name}")
        return load_table_model(self.path / "model", self.schema, factory=factory)

    def _checked(self, name: str) -> Path:
        """Give the path of a part whose digest is the one in ``config.json``."""
        path = self.path / name
        try:
            found = _sha256(path)
        except OSError as error:
            raise RunError(
                f"{path} cannot be read: {error.strerror}.\n"
                "The run cannot be used without it.\nCopy the run folder again, whole."
            ) from error
        if found != self.config["sha256"].get(name):
            raise RunError(
                f"{path} is not what was written: its SHA-256 is {found[:12]}..., not "
                "that in config.json.\n"
                "It was damaged, or changed by hand, and cannot be relied on.\n"
                "Copy the run folder again, or train again."
            )
        return path


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def new_run_path(stem: str, root: Path = RUNS) -> Path:
    """Give the next free ``runs/<number>-<stem>``, numbered over all runs there.

    >>> str(new_run_path("houses 2027", Path("nowhere")))
    'nowhere/001-houses-2027'
    """
    numbers = [0]
    if root.is_dir():
        for path in root.iterdir():
            if match := re.match(r"(\d+)-", path.name):
                numbers.append(int(match[1]))
    clean = re.sub(r"[^\w.]+", "-", stem)[:MOST_STEM].strip("-.") or "table"
    return root / f"{max(numbers) + 1:03}-{clean}"


def check_free(path: Path) -> None:
    """Refuse a place where a run cannot be written, before any training.

    Raises:
        RunError: It exists and is no empty folder, or its folder cannot be written to.
    """
    is_empty = path.is_dir() and not any(path.iterdir())
    if (path.exists() or path.is_symlink()) and not is_empty:
        raise RunError(
            f"{path} exists already.\nA run is never written over another.\n"
            "Name another folder with --run, or remove this one."
        )
    above = next(each for each in path.absolute().parents if each.exists())
    try:  # not os.access: it knows nothing of quotas, and lets root do anything
        os.rmdir(tempfile.mkdtemp(prefix=".tmp-", dir=above))
    except OSError as error:
        raise RunError(
            f"{path} cannot be made: in {above} no folder can be ({error.strerror}).\n"
            "The run would be lost after its training.\nName another place with --run."
        ) from error


def write_run(path: Path, fitted: FittedTable, request: dict[str, Any]) -> RunFolder:
    """Write a run whole, or not at all.

    Args:
        path: Where it shall be; must be free.
        fitted: What was trained.
        request: What was asked for, as a JSON object; ``version``, ``created_at``
            (UTC) and the choices of the training are added.
    """
    check_free(path)
    plan = fitted.plan
    sizes = {"train": len(plan.train), "val": len(plan.val), "test": len(plan.test)}
    with _written_beside(path) as folder:
        plan.table.schema.save(folder / "schema.json")
        lines = [to_json(row) + "\n" for row in fitted.history.to_dicts()]
        write_bytes(folder / "history.jsonl", "".join(lines).encode())
        save_table_model(folder / "model", fitted.model, plan.architecture)
        scores = {
            "version": VERSION,
            "rows": len(plan.test),
            "stop_reason": fitted.history.stop_reason,
            "scores": fitted.scores,
        }
        write_json(folder / "scores.json", scores)
        write_json(folder / "environment.json", {"version": VERSION, **environment()})
        parts = sorted(each for each in folder.rglob("*") if each.is_file())
        config = {
            "version": VERSION,
            "created_at": datetime.now(UTC).isoformat(),
            **request,
            "rows": sizes,
            "training": plan.config.to_dict(),
            "sha256": {p.relative_to(folder).as_posix(): _sha256(p) for p in parts},
        }
        write_json(folder / "config.json", config)
    return RunFolder(path)


def write_new_run(
    stem: str, fitted: FittedTable, request: dict[str, Any], root: Path = RUNS
) -> RunFolder:
    """Write a run under the next free number; see :func:`new_run_path`."""
    while True:
        path = new_run_path(stem, root)
        try:
            return write_run(path, fitted, request)
        except (RunError, OSError):
            if not path.exists():
                raise
            # Another process took this number meanwhile: the next one.


@contextlib.contextmanager
def _written_beside(path: Path) -> Iterator[Path]:
    """Give a folder beside ``path`` that is moved there at the end, or removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".tmp-{secrets.token_hex(4)}-{path.name}")
    beside.mkdir()
    try:
        yield beside
        # rename() goes over an empty folder, and over nothing else.
        os.rename(beside, path)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def find_run(path: Path | None, root: Path = RUNS) -> RunFolder:
    """Give the run at ``path``, or the newest under ``runs/``.

    Raises:
        RunError: There is none.
    """
    if path is not None:
        if not (path / "config.json").is_file():
            near = nearest_name(path.name, [run.path.name for run in _runs(root)])
            what = (
                "has no config.json: it is no run" if path.exists() else "is not there"
            )
            raise RunError(
                f"{path} {what}.{near}\n"
                "Give the folder that `gradatim fit` named at its end."
            )
        return RunFolder(path)
    runs = _runs(root)
    if not runs:
        raise RunError(
            f"there is no run under {root}/.\nThis command works on a run.\n"
            "Train one with `gradatim fit`, or name one with --run."
        )
    # By the time written in it: a copied folder has a new one on the disk.
    return max(runs, key=lambda run: (str(run.config.get("created_at")), run.path.name))


def _runs(root: Path) -> list[RunFolder]:
    if not root.is_dir():
        return []
    return [
        RunFolder(each)
        for each in root.iterdir()
        if not each.name.startswith(".") and (each / "config.json").is_file()
    ]
