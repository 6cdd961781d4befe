"""Checkpoints of a run: written whole or not at all, verified when they are read.

``checkpoints/step-<n>/`` holds::

    model.safetensors   weights and buffers, by their names in the model
    state.safetensors   every other tensor: optimizer, callbacks, random generators
    state.json          every other value, and where each tensor belongs
    manifest.json       size and SHA-256 of the three, and of itself

They are ordered by step, never by time. docs/files.md has the fields.
"""

import contextlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from gradatim.errors import ConfigError, DamagedError, RunError
from gradatim.run.disk import (
    OLD,
    disk_errors,
    remove_folder,
    sweep,
)
from gradatim.run.jsonfile import MOST_BYTES, check_version, parse_json
from gradatim.run.manifest import read_folder, write_folder
from gradatim.run.tensors import num_bytes, read_tensors, tensor_parts
from gradatim.run.tree import pack, unpack

__all__ = ["Checkpoint", "Checkpoints", "Record"]

VERSION = 1
FOLDER = "checkpoints"
NAME = re.compile(r"step-(0|[1-9]\d{0,17})(-old)?")
MODEL, STATE, VALUES = "model.safetensors", "state.safetensors", "state.json"


@dataclass(kw_only=True)
class Record:
    """What a checkpoint says of itself, beside the state."""

    step: int
    """Updates done."""
    epoch: int
    """Whole epochs done."""
    batch: int
    """Batches consumed of the epoch at hand."""
    samples: int
    """Rows trained on, over all epochs."""
    history: dict[str, Any]
    """Rows, bytes and SHA-256 of ``history.jsonl`` at this point."""
    fingerprint: dict[str, Any]
    data: dict[str, Any]
    config: dict[str, Any]
    epochs: int = 0
    """Epochs that were asked for, in all."""
    first_epoch: int = 0
    """Epochs that the model had behind it when the run began."""
    best: dict[str, Any] | None = None
    """``step``, ``epoch``, ``name`` and ``value`` of the best so far."""
    ended: str | None = None
    """Why the run has ended; None while it goes on."""
    resumes: list[dict[str, Any]] = field(default_factory=list)
    """``step``, ``exact`` and ``why_not`` of every resume so far."""


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A checkpoint that was read and found whole."""

    path: Path
    record: Record
    model: dict[str, Any]
    state: dict[str, Any]


class Checkpoints:
    """The checkpoints of one run.

    Args:
        run: The run's folder.
        keep_last: How many stay; the best, as each of these knows it, stays besides.
    """

    def __init__(self, run: Path, *, keep_last: int = 3) -> None:
        self.folder = run / FOLDER
        self.keep_last = keep_last
        self._best_of: dict[str, int | None] = {}

    def save(
        self, record: Record, model: Mapping[str, Any], state: Mapping[str, Any]
    ) -> int:
        """Write a checkpoint, then remove those that are no longer wanted.

        Args:
            record: What it says of itself.
            model: The modules' ``state_dict``.
            state: Everything else.

        Returns:
            Its size, bytes.

        Raises:
            DiskError: The disk did not take it; the others are as they were.
            ConfigError: Something in the state cannot be saved.
        """
        model_values, model_tensors = pack(model)
        values, tensors = pack(state)
        about = {
            "version": VERSION,
            **pack(vars(record))[0],
            "model": model_values,
            "state": values,
        }
        text = json.dumps(about, ensure_ascii=False, allow_nan=False).encode()
        if len(text) > MOST_BYTES:
            raise ConfigError(
                f"the state has {len(text):,} bytes beside its tensors, more than the "
                f"{MOST_BYTES:,} that a checkpoint reads.\n"
                "Long lists of numbers belong into tensors or arrays.\n"
                "Let state_dict() give them so."
            )
        path = self.folder / f"step-{record.step}"
        paths = [self.folder / name for name in self.names()]
        stands = f"{max(paths, key=_key)} is whole.\n" if paths else ""
        needs = num_bytes(model_tensors) + num_bytes(tensors) + len(text)
        with disk_errors(path, needs=needs, why=stands):
            self.folder.mkdir(parents=True, exist_ok=True)
            sweep(self.folder)
            size = write_folder(
                path,
                {
                    MODEL: tensor_parts(model_tensors),
                    STATE: tensor_parts(tensors),
                    VALUES: [text],
                },
            )
        self._best_of[path.name] = record.best["step"] if record.best else None
        self._retain()
        return size

    def newest(
        self, check: Callable[[Record], None] = lambda record: None
    ) -> tuple[Checkpoint | None, list[str]]:
        """Read the newest checkpoint that is whole.

        Args:
            check: Raises ``DamagedError`` where something outside the folder that it
                needs is damaged.

        Returns:
            The checkpoint, None where there is none at all, and what is damaged in
            those that are newer.

        Raises:
            RunError: There are some, and none is whole.
        """
        damaged: list[str] = []
        names = sorted(self.names(), key=lambda n: _key(self.folder / n), reverse=True)
        for name in names:
            try:
                found = self.read(name)
                check(found.record)
            except DamagedError as error:
                damaged.append(str(error).partition("\n")[0])
                continue
            return found, damaged
        if damaged:
            listed = "\n".join(f"  {line}" for line in damaged)
            raise RunError(
                f"no checkpoint in {self.folder} can be used:\n{listed}\n"
                "Training would begin anew, and overwrite what may be saved yet.\n"
                "Put back a copy of the folder, or begin in another one."
            )
        return None, []

    def read(self, name: str) -> Checkpoint:
        """Read one checkpoint and compare all of it with its manifest.

        Raises:
            DamagedError: A file is missing or changed; it is named.
            RunError: It is of another version.
        """
        path = self.folder / name
        contents = read_folder(path)
        if set(contents) != {MODEL, STATE, VALUES}:
            raise DamagedError(f"{path} holds {', '.join(sorted(contents))}.")
        about = _parse(contents[VALUES], path / VALUES)
        record = _record(about, path / VALUES)
        self._best_of[name] = record.best["step"] if record.best else None
        return Checkpoint(
            path=path,
            record=record,
            model=_tensors_in(about["model"], contents[MODEL], path / MODEL),
            state=_tensors_in(about["state"], contents[STATE], path / STATE),
        )

    def newest_record(self) -> Record | None:
        """Read what the newest whole checkpoint says of itself, without its tensors."""
        names = sorted(self.names(), key=lambda n: _key(self.folder / n), reverse=True)
        for name in names:
            path = self.folder / name
            with contextlib.suppress(DamagedError, KeyError):
                content = read_folder(path, only=VALUES)[VALUES]
                return _record(_parse(content, path / VALUES), path / VALUES)
        return None

    def names(self) -> list[str]:
        """Name the checkpoints there are, whole or not."""
        if not self.folder.is_dir():
            return []
        found = [p.name for p in self.folder.iterdir() if NAME.fullmatch(p.name)]
        return [n for n in found if not (self.folder / n).is_symlink()]

    def set_aside_after(self, step: int) -> list[Path]:
        """Rename what is damaged after ``step``, so that it is never counted.

        Of an earlier time nothing is kept.
        """
        moved = []
        for name in self.names():
            path = self.folder / name
            if _key(path)[0] > step:
                target = self.folder / f"damaged-{name}"
                if target.exists():
                    remove_folder(target)
                path.rename(target)
                moved.append(target)
        return moved

    def _retain(self) -> None:
        """Remove what is beyond ``keep_last`` and no best one."""
        names = sorted(self.names(), key=lambda n: _key(self.folder / n))
        current = [name for name in names if not name.endswith(OLD)]
        kept = set(current[-self.keep_last :])
        for name in tuple(kept):
            if name not in self._best_of:
                self._best_of[name] = self._read_best(name)
            if (step := self._best_of[name]) is not None:
                kept.add(f"step-{step}")
        for name in names:
            if name not in kept:
                self._best_of.pop(name, None)
                remove_folder(self.folder / name)

    def _read_best(self, name: str) -> int | None:
        try:
            return (self.read(name).record.best or {}).get("step")
        except RunError:  # damaged: found when it is to be used
            return None


def _key(path: Path) -> tuple[int, bool]:
    """Order by step; one that was being replaced comes before its replacement."""
    match = NAME.fullmatch(path.name)
    assert match is not None
    return int(match[1]), match[2] is None


def _parse(content: bytes, path: Path) -> dict[str, Any]:
    if len(content) > MOST_BYTES:
        raise DamagedError(f"{path} is too large.")
    about: dict[str, Any] = parse_json(content.decode(errors="replace"), str(path))
    check_version(about, VERSION, path)
    return about


def _record(about: dict[str, Any], path: Path) -> Record:
    names = set(Record.__dataclass_fields__)
    if set(about) != names | {"version", "model", "state"}:
        wrong = sorted(set(about) ^ (names | {"version", "model", "state"}))
        raise DamagedError(f"{path} has or lacks the fields {', '.join(wrong)}.")
    values = unpack({name: about[name] for name in names}, {})
    for name in ("step", "epoch", "batch", "samples", "epochs", "first_epoch"):
        if type(values[name]) is not int or values[name] < 0:
            raise DamagedError(f"{path}: {name} is {values[name]!r}.")
    for name in ("history", "fingerprint", "data", "config"):
        if not isinstance(values[name], dict):
            raise DamagedError(f"{path}: {name} is no object.")
    history = values["history"]
    if set(history) != {"rows", "bytes", "sha256"} or type(history["bytes"]) is not int:
        raise DamagedError(f"{path}: history is {history!r}.")
    best = values["best"]
    if best is not None and (
        not isinstance(best, dict) or type(best.get("step")) is not int
    ):
        raise DamagedError(f"{path}: best is {best!r}.")
    if not isinstance(values["resumes"], list):
        raise DamagedError(f"{path}: resumes is no list.")
    return Record(**values)


def _tensors_in(values: Any, content: bytes, path: Path) -> dict[str, Any]:
    tensors: dict[str, Tensor] = read_tensors(content, str(path))
    state = unpack(values, tensors)
    if not isinstance(state, dict):
        raise DamagedError(f"{path}: the state is no object.")
    return state
