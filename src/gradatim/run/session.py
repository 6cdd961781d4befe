"""One process's part of a run: begun or gone on with, saved, ended."""

import contextlib
import math
import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from gradatim.data.batches import Batches
from gradatim.errors import (
    ConfigError,
    DamagedError,
    DiskError,
    GradatimWarning,
    RunError,
)
from gradatim.modules import bare, device_of
from gradatim.run.checkpoint import Checkpoint, Checkpoints, Record
from gradatim.run.config_file import begin_config, check_ours, mend_config
from gradatim.run.fingerprint import (
    changes,
    fingerprint,
    refuse_changes,
    signature,
    tensors_signature,
)
from gradatim.run.notices import tell
from gradatim.store.disk import disk_errors, make_folder, put_back, sweep
from gradatim.store.lines import HistoryFile, read_until
from gradatim.store.lock import Lock

__all__ = ["BY_EPOCHS", "Schedule", "Session"]

BY_EPOCHS = "epochs"
"""Why a run ended that did all its epochs."""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """When checkpoints are written, and how many stay.

    Raises:
        ConfigError: A value out of its range.
    """

    every_s: float | None
    every_steps: int | None
    every_epochs: int | None
    keep_last: int
    on_save_error: Literal["raise", "warn"]

    def __post_init__(self) -> None:
        if self.every_s is not None and not self.every_s >= 0:
            raise ConfigError(f"every_s must not be negative, got {self.every_s}.")
        for name in ("every_steps", "every_epochs", "keep_last"):
            value = getattr(self, name)
            if value is None and name != "keep_last":
                continue
            if type(value) is not int or value < 1:
                raise ConfigError(f"{name} must be 1 or more, got {value!r}.")
        if self.on_save_error not in ("raise", "warn"):
            raise ConfigError(
                f"on_save_error must be 'raise' or 'warn', got {self.on_save_error!r}."
            )


class Session:
    """What :class:`Run` does in either of its two forms.

    Attributes:
        record: Where the run stands; its counts are moved by the owner.
        rows: The history file.
    """

    def __init__(self, path: Path, schedule: Schedule, accept: tuple[str, ...]) -> None:
        self.path = path
        self.schedule = schedule
        self.accept = accept
        self.checkpoints = Checkpoints(path, keep_last=schedule.keep_last)
        self.rows = HistoryFile(path / "history.jsonl")
        self.record = _nothing()
        self._lock = Lock(path / "lock")
        self._due_at = math.inf
        self._saved: tuple[Any, ...] | None = None
        self._best: dict[str, Any] | None = None

    @contextlib.contextmanager
    def opened(self) -> Iterator[None]:
        """Make the folder and hold its lock.

        Raises:
            RunError: The folder is no run's.
            RunLockedError: Another process has it.
            DiskError: The folder cannot be written to.
        """
        with disk_errors(self.path):
            check_ours(self.path)
            make_folder(self.path)
            self._lock.acquire()
        try:
            yield
        finally:
            self.record.best = self._best  # not that of a step that was broken off
            with contextlib.suppress(OSError):
                if self._lock.is_held():
                    self.rows.flush(sync=False)
            self._lock.release()

    def begin(
        self,
        modules: Mapping[str, nn.Module],
        sources: Mapping[str, Batches],
        config: dict[str, Any],
        data: dict[str, Any],
        why_not: list[str],
    ) -> Checkpoint | None:
        """Find the checkpoint to go on from, and compare what it was begun with.

        Args:
            modules: By their names.
            sources: The batches, by ``"train"`` and ``"val"``.
            config: Every choice that must not change.
            data: Digests besides those of the batches.
            why_not: Why a resume is not exact, besides what the batches say.

        Returns:
            None where the run begins.

        Raises:
            ResumeError: Something changed that was not accepted.
            RunError: There are checkpoints, and none can be read.
        """
        about = self._about(modules, sources)
        about["config"] = config
        about["data"] |= data
        with disk_errors(self.path):
            sweep(self.path)
            put_back(self.path / "model")
        loaded, damaged = self.checkpoints.newest(self._check_history)
        why_not = why_not + [
            f"{name}: {reason}" if name != "train" else reason
            for name, batches in sources.items()
            for reason in batches.why_inexact()
        ]
        for batches in sources.values():
            batches.restartable = True
        lost = loaded.record.history["rows"] if loaded is not None else 0
        if lost and not self.rows.path.exists():
            why_not.append(f"history.jsonl is gone, and its {lost:,} rows with it")
        if loaded is None:
            if (self.path / "model").exists():
                raise RunError(
                    f"{self.path} has a model, but no checkpoint to go on from.\n"
                    "Training would begin anew, and replace it.\n"
                    "Name another run, or remove this one."
                )
            self.record = Record(
                step=0, epoch=0, batch=0, samples=0, history={}, **about
            )
            self.rows = HistoryFile(self.rows.path)
            self._saved = self._best = None
            begin_config(self.path)
            if why_not:
                tell(f"{self.path}: a resume will not be exact: {'; '.join(why_not)}")
            return None
        for line in [*damaged, *mend_config(self.path)]:
            tell(line)
        self._compare(loaded, modules, about, why_not)
        self.checkpoints.go_on_from(loaded)
        return loaded

    def _about(
        self,
        modules: Mapping[str, nn.Module],
        sources: Mapping[str, Batches],
    ) -> dict[str, Any]:
        compiled = any(bare(module) is not module for module in modules.values())
        device = next(map(device_of, modules.values()), torch.device("cpu"))
        workers = {name: _num_workers(batches) for name, batches in sources.items()}
        found = fingerprint(device, compiled=compiled, num_workers=workers.pop("train"))
        found |= {f"{name}_num_workers": number for name, number in workers.items()}
        return {
            "fingerprint": found,
            "data": {name: batches.digest() for name, batches in sources.items()},
        }

    def _check_history(self, record: Record) -> None:
        if not self.rows.path.exists():
            return  # told when it is gone on from
        try:
            read_until(self.rows.path, record.history)
        except DamagedError as error:
            what = str(error).partition("\n")[0]
            cure = "Where the file is removed, training goes on without its rows."
            raise DamagedError(f"{what} {cure}") from error

    def _compare(
        self,
        loaded: Checkpoint,
        modules: Mapping[str, nn.Module],
        about: dict[str, Any],
        why_not: list[str],
    ) -> None:
        old = loaded.record
        run = str(self.path)
        if modules:
            found = changes(tensors_signature(loaded.model), _signature(modules))
            refuse_changes("model", found, run=run, accept=self.accept)
        accepted = []
        for what in ("data", "config"):
            found = changes(getattr(old, what), about[what])
            accepted += refuse_changes(what, found, run=run, accept=self.accept)
        accepted += changes(old.fingerprint, about["fingerprint"])
        why_not = [*(line.replace(": ", " ", 1) for line in accepted), *why_not]
        if about["fingerprint"]["device"] == "cuda":
            why_not += _cuda_why_inexact()
        self.record = Record(**{**vars(old), **about})
        resume = {"step": old.step, "exact": not why_not, "why_not": why_not}
        self.record.resumes = [*old.resumes, resume]
        self._note_saved()

    def has_ended(self, epochs: int) -> bool:
        """Tell, and say, whether nothing is left to do of ``epochs`` in all."""
        record = self.record
        by_itself = record.ended not in (None, BY_EPOCHS)
        if not by_itself and record.epoch < epochs:
            record.ended = None
            self._tell_resume()
            return False
        record.ended = record.ended or BY_EPOCHS  # a signal came in the last one
        why = f" ({record.ended})" if by_itself else ""
        tell(
            f"{self.path} has ended: {record.epoch} of {epochs} epochs{why}. "
            "Nothing is left to do."
        )
        return True

    def _tell_resume(self) -> None:
        record = self.record
        where = f"step {record.step:,} (epoch {record.epoch}, batch {record.batch})"
        exact = "resume is exact"
        if why_not := record.resumes[-1]["why_not"]:
            exact = f"resume is not exact: {'; '.join(why_not)}"
        tell(f"{self.path}: going on from {where}: {exact}")

    def is_due(self, step: int) -> bool:
        """Tell whether after so many updates a checkpoint is to be written.

        It is asked after every update, so it asks little.
        """
        every = self.schedule.every_steps
        if every is not None and step % every == 0:
            return self._saved is None or self._saved[0] != step
        return time.monotonic() >= self._due_at

    def save(self, model: Mapping[str, Any], state: Mapping[str, Any]) -> None:
        """Write a checkpoint, unless this very state is saved.

        Raises:
            DiskError: The disk did not take it, and errors are to be raised.
        """
        if self._saved == self._state_now():
            return
        stands, needs = self.checkpoints.what_stands(), self.rows.num_waiting_bytes
        try:
            with disk_errors(self.path, why=stands):
                self._lock.check()
            with disk_errors(self.rows.path, needs=needs, why=stands):
                self.rows.flush()
            self.record.history = self.rows.position()
            self.checkpoints.save(self.record, model, state)
        except DiskError as error:
            if self.schedule.on_save_error == "raise":
                raise
            self._set_due()  # the next try is as far as ever
            self.record.best = self._best  # a step that is not there is none
            warnings.warn(
                f"{error}\nTraining goes on, as on_save_error is 'warn'.",
                GradatimWarning,
                stacklevel=2,
            )
            return
        self._note_saved()

    def _note_saved(self) -> None:
        self._saved, self._best = self._state_now(), self.record.best
        self._set_due()

    def _set_due(self) -> None:
        every_s = self.schedule.every_s
        self._due_at = math.inf if every_s is None else time.monotonic() + every_s

    def _state_now(self) -> tuple[Any, ...]:
        record = self.record
        best = record.best["step"] if record.best else None
        return record.step, record.epoch, record.batch, record.ended, best


def _nothing() -> Record:
    return Record(
        step=0,
        epoch=0,
        batch=0,
        samples=0,
        history={},
        fingerprint={},
        data={},
        config={},
    )


def _cuda_why_inexact() -> list[str]:
    if torch.are_deterministic_algorithms_enabled():
        return []
    return ["cuda without torch.use_deterministic_algorithms(True)"]


def _num_workers(batches: Batches) -> int:
    loader = batches.loader
    return batches.num_workers if loader is None else loader.num_workers


def _signature(modules: Mapping[str, nn.Module]) -> dict[str, str]:
    if len(modules) == 1:
        return signature({"": bare(next(iter(modules.values())))})
    return signature({name: bare(module) for name, module in modules.items()})
