"""Run folders: where a new one goes, which one is meant, and what is in it.

A run folder holds::

    config.json       what the run was begun with
    environment.json  versions, threads, device
    schema.json       the columns as they were frozen (in a table's run)
    history.jsonl     one line an epoch
    checkpoints/      from which the run goes on: step-0, step-120, ...
    model/            model.safetensors, model.json and manifest.json; in a table's run
                      schema.json, scores.json and baselines.safetensors too: written
                      when training has ended
    test_rows/        rows.safetensors: what was tested on (in a table's run)
    importance.json   how much each column matters, if that was asked for
    fold-2/ ... final/  further trainings, where there are any (in a table's run)
    lock              held by the process that writes

Whatever is read is compared with its digest first. docs/files.md has every field.
"""

import os
import re
import shlex
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from gradatim.errors import RunError
from gradatim.history import History
from gradatim.run.checkpoint import Checkpoints
from gradatim.run.checkpoint_header import CheckpointHeader
from gradatim.run.config_file import CONFIG, read_config, read_environment, write_config
from gradatim.store.disk import OLD, disk_errors, write_file, written_beside
from gradatim.store.lines import read_rows, read_until
from gradatim.text import nearest_name

__all__ = [
    "RunFolder",
    "begin_folder",
    "check_free",
    "find_run",
    "find_unfinished",
    "new_run_path",
]

RUNS = Path("runs")
"""The folder of all runs, where a command is given no other."""

HISTORY, MODEL = "history.jsonl", "model"
FINAL = "final"
"""The folder of a last training on all rows, in the folder of its run."""

MAX_STEM_LETTERS = 50
"""How much of a data file's name goes into the name of its run. A letter has up to 4
bytes in UTF-8, and file systems allow 255 bytes in a name."""


@dataclass(frozen=True)
class RunFolder:
    """A run on the disk; each part is read when it is asked for."""

    path: Path

    @cached_property
    def config(self) -> dict[str, Any]:
        """What the run was begun with."""
        return read_config(self.path)

    @property
    def kind(self) -> str:
        """``"table"``, ``"line"``, or ``"python"`` for a loop of one's own."""
        return str(self.config["kind"])

    @property
    def is_table(self) -> bool:
        """Whether the run has columns, and answers raw rows."""
        return self.kind in ("table", "line")

    @cached_property
    def checkpoint(self) -> CheckpointHeader | None:
        """What the newest whole checkpoint says of itself; None without any."""
        return Checkpoints(self.path).newest_header()

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
    def stop_reason(self) -> str | None:
        """Why training ended; None while it has not."""
        return self.checkpoint.ended if self.checkpoint is not None else None

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
    def is_saved_model(self) -> bool:
        """Whether this is a model that was saved by itself: no checkpoint was written.

        A run whose checkpoints are all damaged is something else.
        """
        return self.has_model and not Checkpoints(self.path).names()

    @property
    def has_ended(self) -> bool:
        """Whether a table's run has nothing left to do, all its trainings included."""
        if self.is_saved_model:
            return True
        parts = [self, *map(RunFolder, sorted(self.path.glob("fold-*")))]
        parts += [RunFolder(self.path / FINAL)] if (self.path / FINAL).is_dir() else []
        records = [part.checkpoint for part in parts]
        ended = all(each is not None and each.ended is not None for each in records)
        return ended and self.has_model

    @cached_property
    def environment(self) -> dict[str, Any]:
        """Versions and machine."""
        return read_environment(self.path)


def new_run_path(stem: str, root: Path = RUNS) -> Path:
    """Give the next free ``runs/<number>-<stem>``, numbered over all runs there.

    >>> str(new_run_path("houses 2027", Path("nowhere")))
    'nowhere/001-houses-2027'
    """
    names = [path.name for path in root.iterdir()] if root.is_dir() else []
    numbers = [int(match[1]) for name in names if (match := re.match(r"(\d+)-", name))]
    clean = re.sub(r"[^\w.]+", "-", stem)[:MAX_STEM_LETTERS].strip("-.") or "table"
    return root / f"{max(numbers, default=0) + 1:03}-{clean}"


def check_free(path: Path) -> None:
    """Refuse, before any training, a place where a new run cannot be written."""
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


def begin_folder(
    path: Path, kind: str, about: Mapping[str, Any], files: Mapping[str, bytes]
) -> None:
    """Write a new run's folder, whole or not at all.

    Args:
        path: Where the folder shall be; must be free.
        kind: What ``config.json`` has under this name.
        about: More fields of ``config.json``, as JSON has them.
        files: The contents of further files, by their names.
    """
    check_free(path)
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_beside(path, replace=False) as folder:
            for name, content in files.items():
                write_file(folder / name, [content])
            write_config(folder, kind, about)


def find_run(
    path: Path | None, root: Path = RUNS, *, with_model: bool = False
) -> RunFolder:
    """Give the run at ``path``, or the newest under ``runs/``.

    Args:
        path: A run; None for the newest.
        root: Where to look for the newest.
        with_model: Leave out those whose training has not ended, if there are others.

    Raises:
        RunError: There is none.
    """
    if path is not None:
        if not (path / CONFIG).is_file():
            near = nearest_name(path.name, [run.path.name for run in _runs(root)])
            is_there = path.exists()
            what = "has no config.json: it is no run" if is_there else "is not there"
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
    return max(runs, key=_begun)


def find_unfinished(root: Path = RUNS) -> RunFolder:
    """Give the newest table's run that was stopped; where none was, the newest run."""
    stopped = [run for run in _runs(root) if run.is_table and not run.has_ended]
    return max(stopped, key=_begun) if stopped else find_run(None, root)


def _begun(run: RunFolder) -> tuple[str, str]:
    """Order runs by the time in their configuration.

    The times of the disk would not do: a copied folder has new ones.
    """
    return str(run.config["created_at"]), run.path.name


def _runs(root: Path) -> list[RunFolder]:
    if not root.is_dir():
        return []
    return [
        RunFolder(path)
        for path in root.iterdir()
        if not path.name.startswith(".") and (path / CONFIG).is_file()
    ]
