"""Making, finding and reading run folders.

A run folder holds::

    config.json       what was asked for, the data file's name and size
    environment.json  versions, threads, device
    schema.json       the columns as they were frozen (of a table's run)
    history.jsonl     one line an epoch
    checkpoints/      from which the run goes on: step-0, step-120, ...
    model/            model.safetensors, model.json, schema.json, scores.json and
                      manifest.json: written when training has ended
    lock              held by the process that writes

Whatever is read is compared with its digest first. docs/files.md has every field.
"""

import hashlib
import os
import re
import shlex
import tempfile
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from gradatim.errors import ConfigError, DamagedError, RunError
from gradatim.history import History
from gradatim.run.checkpoint import Checkpoints, Record
from gradatim.run.config_file import (
    CONFIG,
    lacks,
    read_config,
    read_environment,
    write_config,
)
from gradatim.run.module_file import DESCRIPTION
from gradatim.store.disk import OLD, disk_errors, read_file, write_file, written_beside
from gradatim.store.json import MOST_BYTES
from gradatim.store.lines import read_rows, read_until
from gradatim.store.manifest import read_folder, write_folder
from gradatim.tables.fit.config import TabularConfig
from gradatim.tables.fit.fit import FittedTable
from gradatim.tables.fit.plan import NetworkFactory, TablePlan
from gradatim.tables.model.network import TableModel
from gradatim.tables.saved.model_files import (
    SCHEMA,
    SCORES,
    parse_scores,
    read_schema,
    read_table_model,
    schema_text,
    table_model_files,
)
from gradatim.tables.schema.schema import Schema
from gradatim.text import nearest_name, one_line

__all__ = [
    "RunFolder",
    "begin_new_run",
    "begin_run",
    "check_free",
    "find_run",
    "find_unfinished",
    "finish_run",
    "new_run_path",
]

RUNS = Path("runs")
HISTORY, MODEL = "history.jsonl", "model"
MOST_STEM = 50
"""Letters that a file's name gives to its run's: up to four bytes each, of 255."""


@dataclass(frozen=True)
class RunFolder:
    """A run on the disk; its parts are read when they are asked for."""

    path: Path

    @cached_property
    def config(self) -> dict[str, Any]:
        """What was asked for."""
        config = read_config(self.path)
        if "training" in config:
            _check_training(self.path / CONFIG, config["training"])
        return config

    @property
    def kind(self) -> str:
        """``"table"``, ``"line"``, or ``"python"`` for a loop of one's own."""
        kind: str = self.config["kind"]
        return kind

    @property
    def is_table(self) -> bool:
        """Whether it has columns, and answers raw rows."""
        return self.kind in ("table", "line")

    @cached_property
    def schema(self) -> Schema:
        """The frozen columns."""
        path = self.path / SCHEMA
        content = read_file(path, most=MOST_BYTES)
        if hashlib.sha256(content).hexdigest() != self.config.get("schema_sha256"):
            raise DamagedError(
                f"{path} is not what was written: its SHA-256 is not that in "
                f"{CONFIG}.\nIt was damaged, or changed by hand.\n"
                "Copy the run folder again, or train again."
            )
        return read_schema(content, path)

    @cached_property
    def checkpoint(self) -> Record | None:
        """What the newest whole checkpoint says of itself; None without any."""
        return Checkpoints(self.path).newest_record()

    @cached_property
    def history(self) -> History:
        """The epochs, up to the last line that was written."""
        if self.checkpoint is not None:
            read_until(self.path / HISTORY, self.checkpoint.history)
        history = History()
        for row in read_rows(self.path / HISTORY):
            history.append(row)
        history.stop_reason = self.stop_reason
        return history

    @property
    def model_path(self) -> Path:
        """Where the model is, or would be."""
        path, old = self.path / MODEL, self.path / f"{MODEL}{OLD}"
        # A kill between two renames leaves the model before this one.
        return old if old.is_dir() and not path.exists() else path

    @property
    def has_model(self) -> bool:
        """Whether training has ended and left a model."""
        return self.model_path.is_dir()

    @property
    def stop_reason(self) -> str | None:
        """Why training ended; None while it has not."""
        if self.has_model and self.is_table:
            reason: str | None = self.scores["stop_reason"]
            return reason
        return self.checkpoint.ended if self.checkpoint is not None else None

    @cached_property
    def scores(self) -> dict[str, Any]:
        """Scores on the test rows, and how many these are."""
        return parse_scores(self._model_files[SCORES], self.model_path / SCORES)

    @cached_property
    def environment(self) -> dict[str, Any]:
        """Versions and machine."""
        return read_environment(self.path)

    def load_model(self, factory: NetworkFactory | None = None) -> TableModel:
        """Make the model again; see :func:`read_table_model`."""
        files = self._model_files
        return read_table_model(files, self.model_path, factory=factory)

    @cached_property
    def _model_files(self) -> dict[str, bytes]:
        if not self.has_model:
            record = self.checkpoint
            where = f" at epoch {record.epoch}" if record is not None else ""
            raise RunError(
                f"{self.path} has no model yet: its training was stopped{where}.\n"
                "There is nothing to predict with.\n"
                f"Go on with it: gradatim resume --run {shlex.quote(str(self.path))}"
            )
        files = read_folder(self.model_path)
        if SCORES not in files:
            raise RunError(
                f"{self.path} is a run of a loop in Python: its {MODEL}/{DESCRIPTION} "
                "tells nothing of columns.\nThe command line cannot make its model.\n"
                f"In Python: gradatim.load({str(self.path)!r}, model=...)."
            )
        return files


def _check_training(path: Path, training: dict[str, Any]) -> None:
    if absent := {each.name for each in fields(TabularConfig)} - set(training):
        raise lacks(path, absent)
    try:
        TabularConfig.from_dict(training)
    except ConfigError as error:
        raise DamagedError(
            f"{path} has a training that cannot be: {one_line(error)}\n"
            "It was damaged, or changed by hand.\nCopy the run folder again."
        ) from error


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
        cure = "Name another folder with --run, or remove this one."
        if (path / CONFIG).is_file():
            cure += (
                f"\nTo go on with it: gradatim resume --run {shlex.quote(str(path))}"
            )
        raise RunError(
            f"{path} exists already.\nA run is never written over another.\n{cure}"
        )
    above = next(each for each in path.absolute().parents if each.exists())
    try:  # not os.access: it knows nothing of quotas, and lets root do anything
        os.rmdir(tempfile.mkdtemp(prefix=".tmp-", dir=above))
    except OSError as error:
        raise RunError(
            f"{path} cannot be made: in {above} no folder can be ({error.strerror}).\n"
            "The run would be lost after its training.\nName another place with --run."
        ) from error


def begin_run(path: Path, plan: TablePlan, request: dict[str, Any]) -> RunFolder:
    """Write what is known before training, whole or not at all.

    Args:
        path: Where it shall be; must be free.
        plan: What is about to be trained.
        request: What was asked for, as a JSON object; ``version``, ``created_at``
            (UTC) and the choices of the training are added.
    """
    check_free(path)
    sizes = {"train": len(plan.train), "val": len(plan.val), "test": len(plan.test)}
    schema = schema_text(plan.table.schema)
    about = {
        **request,
        "rows": sizes,
        "training": plan.config.to_dict(),
        "network": plan.architecture["name"],
        "schema_sha256": hashlib.sha256(schema).hexdigest(),
    }
    kind = about.pop("kind", "table")
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_beside(path, replace=False) as folder:
            write_file(folder / SCHEMA, [schema])
            write_config(folder, kind, about)
    return RunFolder(path)


def begin_new_run(
    stem: str, plan: TablePlan, request: dict[str, Any], root: Path = RUNS
) -> RunFolder:
    """Begin a run under the next free number; see :func:`new_run_path`."""
    while True:
        path = new_run_path(stem, root)
        try:
            return begin_run(path, plan, request)
        except (RunError, OSError):
            if not path.exists():
                raise
            # Another process took this number meanwhile: the next one.


def finish_run(run: RunFolder, fitted: FittedTable) -> RunFolder:
    """Write ``model/``; what an earlier part of the run left there is replaced.

    Raises:
        DiskError: The disk did not take it.
    """
    plan = fitted.plan
    scores = {
        "rows": len(plan.test),
        "stop_reason": fitted.history.stop_reason,
        "scores": fitted.scores,
    }
    files = table_model_files(
        fitted.model, plan.architecture, plan.table.schema, scores
    )
    path = run.path / MODEL
    why = f"The checkpoints in {run.path} are whole.\n"
    with disk_errors(path, why=why):
        write_folder(path, files)
    return RunFolder(run.path)


def find_run(
    path: Path | None, root: Path = RUNS, *, with_model: bool = False
) -> RunFolder:
    """Give the run at ``path``, or the newest under ``runs/``.

    Args:
        path: A run; None for the newest.
        root: Where to look for that.
        with_model: Leave out those whose training has not ended, if there are others.

    Raises:
        RunError: There is none.
    """
    if path is not None:
        if not (path / CONFIG).is_file():
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
    if with_model:
        runs = [run for run in runs if run.has_model] or runs
    if not runs:
        raise RunError(
            f"there is no run under {root}/.\nThis command works on a run.\n"
            "Train one with `gradatim fit`, or name one with --run."
        )
    return max(runs, key=_made)


def find_unfinished(root: Path = RUNS) -> RunFolder:
    """Give the newest run that was stopped on the way; where none was, the newest."""
    runs = _runs(root)
    stopped = [
        run
        for run in runs
        if run.is_table and (run.checkpoint is None or run.checkpoint.ended is None)
    ]
    if not stopped:
        return find_run(None, root)
    return max(stopped, key=_made)


def _made(run: RunFolder) -> tuple[str, str]:
    # By the time written in it: a copied folder has a new one on the disk.
    return str(run.config["created_at"]), run.path.name


def _runs(root: Path) -> list[RunFolder]:
    if not root.is_dir():
        return []
    return [
        RunFolder(each)
        for each in root.iterdir()
        if not each.name.startswith(".") and (each / CONFIG).is_file()
    ]
