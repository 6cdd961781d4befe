"""One process's part of a run: begun or gone on with, saved, ended."""

import contextlib
import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from gradatim.data.batches import Batches
from gradatim.errors import ConfigError, DiskError, GradatimWarning
from gradatim.run.checkpoint import Checkpoint, Checkpoints, Record
from gradatim.run.config_file import begin_config
from gradatim.run.disk import disk_errors, sweep
from gradatim.run.fingerprint import (
    changes,
    fingerprint,
    refuse_changes,
    signature,
    tensors_signature,
)
from gradatim.run.history_file import HistoryFile, read_until
from gradatim.run.lock import Lock
from gradatim.run.module_file import bare
from gradatim.run.notices import tell
from gradatim.step import device_of

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
        self._saved_at = 0.0
        self._saved: tuple[Any, ...] | None = None
        self._num_saves = 0

    @contextlib.contextmanager
    def opened(self) -> Iterator[None]:
        """Make the folder and hold its lock.

        Raises:
            RunLockedError: Another process has it.
            DiskError: The folder cannot be written to.
        """
        with disk_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
        try:
            yield
        finally:
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
    ) -> Checkpoint | None:
        """Find the checkpoint to go on from, and compare what it was begun with.

        Args:
            modules: By their names.
            sources: The batches, by ``"train"`` and ``"val"``.
            config: Every choice that must not change.
            data: Digests besides those of the batches.

        Returns:
            None where the run begins.

        Raises:
            ResumeError: Something changed that was not accepted.
            RunError: There are checkpoints, and none can be read.
        """
        about = self._about(modules, sources)
        about["config"] = config
        about["data"] |= data
        sweep(self.path)
        loaded, damaged = self.checkpoints.newest(self._check_history)
        why_not = [
            f"{name}: {reason}" if name != "train" else reason
            for name, batches in sources.items()
            for reason in batches.why_inexact()
        ]
        for batches in sources.values():
            batches.restartable = True
        if loaded is None:
            self.record = Record(
                step=0, epoch=0, batch=0, samples=0, history={}, **about
            )
            self.rows = HistoryFile(self.rows.path)
            begin_config(self.path)
            if why_not:
                tell(f"{self.path}: a resume will not be exact: {'; '.join(why_not)}")
            return None
        for line in damaged:
            tell(line)
        self.checkpoints.set_aside_after(loaded.record.step)
        self._compare(loaded, modules, about, why_not)
        return loaded

    def _about(
        self,
        modules: Mapping[str, nn.Module],
        sources: Mapping[str, Batches],
    ) -> dict[str, Any]:
        compiled = any(bare(module) is not module for module in modules.values())
        device = next(map(device_of, modules.values()), torch.device("cpu"))
        return {
            "fingerprint": fingerprint(
                device,
                compiled=compiled,
                num_workers=_num_workers(sources["train"]),
            ),
            "data": {name: batches.digest() for name, batches in sources.items()},
        }

    def _check_history(self, record: Record) -> None:
        read_until(self.rows.path, record.history)

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
        why_not = [
            *accepted,
            *changes(old.fingerprint, about["fingerprint"]),
            *why_not,
        ]
        self.record = Record(**{**vars(old), **about})
        resume = {"step": old.step, "exact": not why_not, "why_not": why_not}
        self.record.resumes = [*old.resumes, resume]
        self._saved = self._state_now()
        self._saved_at = time.monotonic()

    def has_ended(self, epochs: int) -> bool:
        """Tell, and say, whether nothing is left to do of ``epochs`` in all."""
        record = self.record
        by_itself = record.ended not in (None, BY_EPOCHS)
        if not by_itself and record.epoch < epochs:
            record.ended = None
            self._tell_resume()
            return False
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

    def is_to_export(self) -> bool:
        """Tell whether the run has ended in this process."""
        return self.record.ended is not None and self._num_saves > 0

    def is_due(self) -> bool:
        """Tell whether a checkpoint is to be written by steps or seconds."""
        schedule = self.schedule
        if schedule.every_steps and self.record.step % schedule.every_steps == 0:
            return self._saved is None or self._saved[0] != self.record.step
        if schedule.every_s is None:
            return False
        return time.monotonic() - self._saved_at >= schedule.every_s

    def save(self, model: Mapping[str, Any], state: Mapping[str, Any]) -> None:
        """Write a checkpoint, unless this very state is saved.

        Raises:
            DiskError: The disk did not take it, and errors are to be raised.
        """
        if self._saved == self._state_now():
            return
        self._lock.check()
        try:
            with disk_errors(self.rows.path):
                self.rows.flush()
            self.record.history = self.rows.position()
            self.checkpoints.save(self.record, model, state)
        except DiskError as error:
            if self.schedule.on_save_error == "raise":
                raise
            self._saved_at = time.monotonic()  # the next try is as far as ever
            warnings.warn(
                f"{error}\nTraining goes on, as on_save_error is 'warn'.",
                GradatimWarning,
                stacklevel=2,
            )
            return
        self._num_saves += 1
        self._saved = self._state_now()
        self._saved_at = time.monotonic()

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


def _num_workers(batches: Batches) -> int:
    loader = batches.loader
    return batches.num_workers if loader is None else loader.num_workers


def _signature(modules: Mapping[str, nn.Module]) -> dict[str, str]:
    if len(modules) == 1:
        return signature({"": bare(next(iter(modules.values())))})
    return signature({name: bare(module) for name, module in modules.items()})
