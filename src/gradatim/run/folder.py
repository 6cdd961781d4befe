"""Making, finding and reading run folders.

A run folder holds::

    config.json       what was asked for, and the data file's name and size
    schema.json       the columns as they were frozen
    history.jsonl     one line an epoch
    model/            model.safetensors and model.json
    scores.json       on the test rows: baseline, linear model, model
    environment.json  versions, threads, device

It is written beside its place and moved there when it is whole.
"""

import contextlib
import os
import re
import shutil
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
from gradatim.run.model_file import load_table_model, save_table_model
from gradatim.tabular.fit import FittedTable, NetworkFactory
from gradatim.tabular.network import TableModel

__all__ = ["RunFolder", "check_free", "find_run", "new_run_path", "write_run"]

VERSION = 1
RUNS = Path("runs")


@dataclass(frozen=True)
class RunFolder:
    """A run on the disk; its parts are read when they are asked for."""

    path: Path

    @cached_property
    def config(self) -> dict[str, Any]:
        """What was asked for."""
        config: dict[str, Any] = read_json(self.path / "config.json", version=VERSION)
        return config

    @cached_property
    def schema(self) -> Schema:
        """The frozen columns."""
        return Schema.load(self.path / "schema.json")

    @cached_property
    def history(self) -> History:
        """The epochs."""
        history = History()
        for row in read_json_lines(self.path / "history.jsonl"):
            history.append(row)
        return history

    @cached_property
    def scores(self) -> dict[str, Any]:
        """Scores on the test rows, and how many these are."""
        scores: dict[str, Any] = read_json(self.path / "scores.json", version=VERSION)
        return scores

    @cached_property
    def environment(self) -> dict[str, Any]:
        """Versions and machine."""
        found: dict[str, Any] = read_json(self.path / "environment.json")
        return found

    def load_model(self, factory: NetworkFactory | None = None) -> TableModel:
        """Read the model; see :func:`load_table_model`."""
        return load_table_model(self.path / "model", self.schema, factory=factory)


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
    clean = re.sub(r"[^\w.]+", "-", stem).strip("-.") or "table"
    return root / f"{max(numbers) + 1:03}-{clean}"


def check_free(path: Path) -> None:
    """Refuse a place where something is, before any training.

    Raises:
        RunError: It exists and is no empty folder.
    """
    if path.is_dir() and not any(path.iterdir()):
        return
    if path.exists() or path.is_symlink():
        raise RunError(
            f"{path} exists already.\nA run is never written over another.\n"
            "Name another folder with --run, or remove this one."
        )


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
        write_json(
            folder / "config.json",
            {
                "version": VERSION,
                "created_at": datetime.now(UTC).isoformat(),
                **request,
                "rows": sizes,
                "training": plan.config.to_dict(),
            },
        )
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
        write_json(folder / "environment.json", environment())
    return RunFolder(path)


@contextlib.contextmanager
def _written_beside(path: Path) -> Iterator[Path]:
    """Give a folder beside ``path`` that is moved there at the end, or removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".tmp-{os.getpid()}-{path.name}")
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
            what = "is no run folder" if path.exists() else "does not exist"
            raise RunError(
                f"{path} {what}: it has no config.json.{near}\n"
                "Give the folder that `gradatim fit` named at its end."
            )
        return RunFolder(path)
    runs = _runs(path or root)
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
