"""The folder of a table's run: what any run has, with columns, scores and a model.

``gradatim.run.folder`` lists the files of a run folder.
"""

import hashlib
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from gradatim.errors import ConfigError, DamagedError, RunError
from gradatim.run.config_file import CONFIG, LOCK, lacks
from gradatim.run.folder import MODEL, RUNS, RunFolder, begin_folder, new_run_path
from gradatim.run.module_file import DESCRIPTION
from gradatim.store.disk import disk_errors, if_there, read_file
from gradatim.store.json import MAX_JSON_BYTES
from gradatim.store.lock import holder_of
from gradatim.store.manifest import read_folder, write_folder
from gradatim.tables.fit.config import LATER, TabularConfig
from gradatim.tables.fit.fit import FittedTable
from gradatim.tables.fit.plan import NetworkFactory, TablePlan
from gradatim.tables.fit.split_doubts import SplitDoubt
from gradatim.tables.model.baselines import Baselines
from gradatim.tables.model.network import TableModel
from gradatim.tables.saved.model_files import (
    SCHEMA,
    SCORES,
    parse_scores,
    read_baselines,
    read_schema,
    read_table_model,
    schema_text,
    table_model_files,
)
from gradatim.tables.saved.test_rows import TEST_ROWS, TestRows, test_row_files
from gradatim.tables.schema.schema import Schema
from gradatim.text import one_line

__all__ = ["IMPORTANCE", "TableRunFolder", "begin_new_run", "begin_run", "finish_run"]

IMPORTANCE = "importance.json"
"""What `gradatim importance` wrote last, in the run's folder."""


@dataclass(frozen=True)
class TableRunFolder(RunFolder):
    """A table's run on the disk; each part is read when it is asked for."""

    @cached_property
    def config(self) -> dict[str, Any]:
        """What was asked for, as ``config.json`` has it."""
        config = RunFolder(self.path).config
        if "training" in config:
            _check_training(self.path / CONFIG, config["training"])
        return config

    @property
    def split_doubts(self) -> list[SplitDoubt]:
        """Where the split at random flatters, as it was found before training."""
        return [SplitDoubt(**doubt) for doubt in self.config.get("split_doubts", [])]

    @cached_property
    def schema(self) -> Schema:
        """The frozen columns."""
        path = self.path / SCHEMA
        content = read_file(path, most=MAX_JSON_BYTES)
        if hashlib.sha256(content).hexdigest() != self.config.get("schema_sha256"):
            raise DamagedError(
                f"{path} is not what was written: its SHA-256 is not that in "
                f"{CONFIG}.\nIt was damaged, or changed by hand.\n"
                "Copy the run folder again, or train again."
            )
        return read_schema(content, path)

    @property
    def stop_reason(self) -> str | None:
        """Why training ended; None while it has not."""
        if self.has_model and self.is_table:
            reason: str | None = self.scores["stop_reason"]
            return reason
        return super().stop_reason

    @cached_property
    def scores(self) -> dict[str, Any]:
        """Scores on the test rows, and how many these are."""
        return parse_scores(self._model_files[SCORES], self.model_path / SCORES)

    def load_model(self, factory: NetworkFactory | None = None) -> TableModel:
        """Make the model again, as :func:`read_table_model` does."""
        return read_table_model(self._model_files, self.model_path, factory=factory)

    @property
    def baselines(self) -> Baselines | None:
        """What stood beside the scores; None in a run of an earlier version."""
        return read_baselines(self._model_files, self.model_path)

    @property
    def quantiles(self) -> Sequence[float]:
        """Those that are predicted in place of the mean, if any."""
        return self.config["training"].get("quantiles") or ()

    @property
    def has_several_trainings(self) -> bool:
        """Whether there are folds, or a last training on all rows."""
        training = self.config["training"]
        return bool(training.get("folds") or training.get("final"))

    @cached_property
    def _model_files(self) -> dict[str, bytes]:
        if not self.has_model:
            record = self.checkpoint
            if (writer := holder_of(self.path / LOCK)) is not None:
                raise RunError(
                    f"{self.path} has no model yet: it is being trained by {writer}.\n"
                    "There is nothing to predict with.\n"
                    "Wait until its training has ended."
                )
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
    needed = {field.name for field in fields(TabularConfig)} - LATER
    if absent := needed - set(training):
        raise lacks(path, absent)
    try:
        TabularConfig.from_dict(training)
    except ConfigError as error:
        raise DamagedError(
            f"{path} has a training that cannot be: {one_line(error)}\n"
            "It was damaged, or changed by hand.\nCopy the run folder again."
        ) from error


def begin_run(path: Path, plan: TablePlan, request: dict[str, Any]) -> TableRunFolder:
    """Write what is known before training to a free place, whole or not at all.

    ``request`` is what was asked for, as a JSON object; ``version``, ``created_at``
    (UTC) and the choices of the training are added.
    """
    sizes = {"train": len(plan.train), "val": len(plan.val), "test": len(plan.test)}
    schema = schema_text(plan.table.schema)
    about = {
        **request,
        "rows": sizes,
        "training": plan.config.to_dict(),
        "network": plan.architecture["name"],
        "schema_sha256": hashlib.sha256(schema).hexdigest(),
    }
    if plan.split_doubts:
        about["split_doubts"] = [doubt.to_dict() for doubt in plan.split_doubts]
    begin_folder(path, about.pop("kind", "table"), about, {SCHEMA: schema})
    return TableRunFolder(path)


def begin_new_run(
    stem: str, plan: TablePlan, request: dict[str, Any], root: Path = RUNS
) -> TableRunFolder:
    """Begin a run under the next free number; see :func:`new_run_path`."""
    while True:
        path = new_run_path(stem, root)
        try:
            return begin_run(path, plan, request)
        except (RunError, OSError):
            if not path.exists():
                raise
            # Another process took this number meanwhile, so the next one is tried.


def finish_run(run: TableRunFolder, fitted: FittedTable) -> TableRunFolder:
    """Write ``model/`` in place of an earlier one, and before it ``test_rows/``.

    A full disk is a ``DiskError``.
    """
    plan, path = fitted.plan, run.path / MODEL
    files = table_model_files(
        fitted.model,
        plan.architecture,
        plan.table.schema,
        fitted.to_dict(),
        fitted.baselines,
    )
    stands = if_there(run.path, f"The checkpoints in {run.path} are whole.\n")
    with disk_errors(path, why=stands):
        if fitted.num_tested:
            rows = test_row_files(TestRows.of(fitted))
            write_folder(run.path / TEST_ROWS, rows)
        write_folder(path, files)
        (run.path / IMPORTANCE).unlink(missing_ok=True)  # of an earlier model
    return TableRunFolder(run.path)
