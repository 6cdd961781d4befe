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
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from gradatim.errors import ConfigError, DamagedError, RunError
from gradatim.store.disk import (
    OLD,
    disk_errors,
    make_folder,
    put_back,
    reading,
    remove_folder,
    sweep,
)
from gradatim.store.json import check_version, in_utf8, may_be_read, parse_json
from gradatim.store.manifest import LARGE, read_folder, write_folder
from gradatim.store.pack import is_plain, pack, unpack
from gradatim.store.tensors import num_bytes, read_tensors, tensor_parts
from gradatim.text import shown

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
        text = in_utf8(json.dumps(about, ensure_ascii=False, allow_nan=False))
        if not may_be_read(text):
            raise ConfigError(
                f"the state has {len(text):,} bytes of JSON beside its tensors, more "
                "than what is read again.\n"
                "Long lists of numbers belong into tensors or arrays.\n"
                "Let state_dict() give them so."
            )
        path = self.folder / f"step-{record.step}"
        needs = num_bytes(model_tensors) + num_bytes(tensors) + len(text)
        with disk_errors(path, needs=needs, why=self.what_stands()):
            make_folder(self.folder)
            self._clean_up()
            size = write_folder(
                path,
                {
                    MODEL: tensor_parts(model_tensors),
                    STATE: tensor_parts(tensors),
                    VALUES: [text],
                },
                at_once=needs > LARGE,
            )
        self._best_of[path.name] = record.best["step"] if record.best else None
        self._retain(why=f"{path} is written, and whole.\n")
        return size

    def what_stands(self) -> str:
        """Say what a failed save leaves to go on from."""
        with contextlib.suppress(RunError):
            if names := self._newest_first():
                return f"{self.folder / names[0]} is kept.\n"
        return "There is no checkpoint yet.\n"

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
            RunError: There are some, and none is whole; or this process cannot read
                one that may be.
        """
        damaged: list[str] = []
        for name in self._newest_first():
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
        contents = read_folder(path, known={MODEL, STATE, VALUES})
        about = _parse(contents[VALUES], path / VALUES)
        record = _record(about, path / VALUES)
        self._best_of[name] = record.best["step"] if record.best else None
        return Checkpoint(
            path=path,
            record=record,
            model=_state_in(about, "model", contents[MODEL], path / MODEL),
            state=_state_in(about, "state", contents[STATE], path / STATE),
        )

    def newest_record(self) -> Record | None:
        """Read what the newest whole checkpoint says of itself, without its tensors."""
        for name in self._newest_first():
            with contextlib.suppress(DamagedError):
                return self._read_record(name)
        return None

    def _read_record(self, name: str) -> Record:
        path = self.folder / name
        contents = read_folder(path, only=VALUES)
        if VALUES not in contents:
            raise DamagedError(f"{path} holds no {VALUES}.")
        return _record(_parse(contents[VALUES], path / VALUES), path / VALUES)

    def names(self) -> list[str]:
        """Name the checkpoints there are, whole or not."""
        with reading(self.folder):
            if self.folder.is_symlink():
                raise DamagedError(
                    f"{self.folder} is a link.\n"
                    "Files of another run would be written and removed.\n"
                    "Put the folder itself there, or let the whole run be a link."
                )
            if not self.folder.is_dir():
                return []
            found = [p.name for p in self.folder.iterdir() if NAME.fullmatch(p.name)]
            return [n for n in found if not (self.folder / n).is_symlink()]

    def _newest_first(self) -> list[str]:
        return sorted(self.names(), key=_key, reverse=True)

    def go_on_from(self, loaded: Checkpoint) -> None:
        """End what a kill broke off, and set aside what is newer, and so damaged.

        That is renamed: it is never counted, nor removed.
        """
        name = loaded.path.name
        with disk_errors(self.folder, cannot="cannot be put in order"):
            for newer in self.names():
                if _key(newer) > _key(name):
                    target = self.folder / f"damaged-{newer}"
                    if target.exists():
                        remove_folder(target)
                    os.rename(self.folder / newer, target)
            self._clean_up()
        self._retain(why=f"{loaded.path} is whole.\n")

    def _clean_up(self) -> None:
        """Remove what was not finished, and put back what was being replaced."""
        sweep(self.folder)
        for name in self.names():
            if name.endswith(OLD):
                put_back(self.folder / name.removesuffix(OLD))

    def _retain(self, why: str) -> None:
        """Remove what is beyond ``keep_last`` and no best one."""
        names = self._newest_first()
        kept = set(names[: self.keep_last])
        for name in tuple(kept):
            if name not in self._best_of:
                self._best_of[name] = self._read_best(name)
            if (step := self._best_of[name]) is not None:
                kept.add(f"step-{step}")
        for name in names:
            if name not in kept:
                self._best_of.pop(name, None)
                path = self.folder / name
                with disk_errors(path, cannot="cannot be removed", why=why):
                    remove_folder(path)

    def _read_best(self, name: str) -> int | None:
        try:
            return (self._read_record(name).best or {}).get("step")
        except RunError:  # damaged: found when it is to be used
            return None


def _key(name: str) -> tuple[int, bool]:
    """Order by step; one that was being replaced comes before its replacement."""
    match = NAME.fullmatch(name)
    assert match is not None
    return int(match[1]), match[2] is None


def _parse(content: bytes, path: Path) -> dict[str, Any]:
    about: dict[str, Any] = parse_json(content, str(path))
    check_version(about, VERSION, path)
    return about


def _record(about: dict[str, Any], path: Path) -> Record:
    names = set(Record.__dataclass_fields__)
    if wrong := set(about) ^ (names | {"version", "model", "state"}):
        raise _damaged(path, "fields", sorted(wrong))
    values = unpack({name: about[name] for name in names}, {}, str(path))
    for name, value in values.items():
        if not (IN_RECORD[name](value) and is_plain(value)):
            raise _damaged(path, name, value)
    match = NAME.fullmatch(path.parent.name)
    if match is not None and int(match[1]) != values["step"]:
        raise _damaged(path, "step", values["step"])
    return Record(**values)


def _damaged(path: Path, name: str, value: Any) -> DamagedError:
    return DamagedError(
        f"{path} has wrong {name}: {shown(value)}.\n"
        "It was damaged, or written by another version, and cannot be relied on.\n"
        "Put back a copy of the whole folder."
    )


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 62


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_position(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and set(value) == {"rows", "bytes", "sha256"}
        and _is_count(value["rows"])
        and _is_count(value["bytes"])
        and isinstance(value["sha256"], str)
    )


def _is_best(value: Any) -> bool:
    return value is None or (
        isinstance(value, dict)
        and set(value) == {"step", "epoch", "name", "value"}
        and _is_count(value["step"])
        and _is_count(value["epoch"])
        and isinstance(value["name"], str)
        and type(value["value"]) in (int, float)
    )


def _are_resumes(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(each, dict)
        and set(each) == {"step", "exact", "why_not"}
        and _is_count(each["step"])
        and isinstance(each["exact"], bool)
        and isinstance(each["why_not"], list)
        for each in value
    )


IN_RECORD: dict[str, Callable[[Any], bool]] = {
    "step": _is_count,
    "epoch": _is_count,
    "batch": _is_count,
    "samples": _is_count,
    "history": _is_position,
    "fingerprint": _is_object,
    "data": _is_object,
    "config": _is_object,
    "epochs": _is_count,
    "first_epoch": _is_count,
    "best": _is_best,
    "ended": lambda value: value is None or isinstance(value, str),
    "resumes": _are_resumes,
}
"""What the fields of a record may be."""


def _state_in(
    about: dict[str, Any], name: str, content: bytes, path: Path
) -> dict[str, Any]:
    tensors: dict[str, Tensor] = read_tensors(content, str(path))
    values = path.with_name(VALUES)
    state = unpack(about[name], tensors, f"{values}, {name},")
    if not isinstance(state, dict):
        raise _damaged(values, name, state)
    return state
