"""Checkpoints of a run: written whole or not at all, verified when they are read.

``checkpoints/step-<n>/`` holds::

    model.safetensors   weights and buffers, by their names in the model
    state.safetensors   every other tensor: optimizer, callbacks, random generators
    state.json          every other value, and where each tensor belongs
    manifest.json       size and SHA-256 of the three, and of itself

Checkpoints are ordered by step, never by time. docs/files.md has the fields.
"""

import contextlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from gradatim.errors import ConfigError, DamagedError, RunError
from gradatim.run.checkpoint_header import (
    FOLDER_NAME,
    CheckpointHeader,
    damaged_field,
    parse_header,
)
from gradatim.store.disk import (
    OLD,
    disk_errors,
    if_there,
    make_folder,
    put_back,
    reading,
    remove_folder,
    sweep,
)
from gradatim.store.json import check_version, in_utf8, may_be_read, parse_json
from gradatim.store.manifest import SIDE_BY_SIDE_BYTES, read_folder, write_folder
from gradatim.store.pack import pack, unpack
from gradatim.store.tensors import num_bytes, read_tensors, tensor_parts

__all__ = ["Checkpoint", "CheckpointOptions", "Checkpoints"]

VERSION = 1
FOLDER = "checkpoints"
MODEL, STATE, VALUES = "model.safetensors", "state.safetensors", "state.json"


@dataclass(frozen=True, kw_only=True)
class CheckpointOptions:
    """When checkpoints are written, and how many stay; a wrong value is refused."""

    every_s: float | None = 30.0
    every_steps: int | None = None
    every_epochs: int | None = None
    keep_last: int = 3
    on_save_error: Literal["raise", "warn"] = "raise"

    def __post_init__(self) -> None:
        if self.every_s is not None and not self.every_s >= 0:
            raise ConfigError(f"every_s must not be negative, got {self.every_s}.")
        for name, value in (
            ("every_steps", self.every_steps),
            ("every_epochs", self.every_epochs),
            ("keep_last", self.keep_last),
        ):
            if value is None and name != "keep_last":
                continue
            if type(value) is not int or value < 1:
                raise ConfigError(f"{name} must be 1 or more, got {value!r}.")
        if self.on_save_error not in ("raise", "warn"):
            raise ConfigError(
                f"on_save_error must be 'raise' or 'warn', got {self.on_save_error!r}."
            )


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A checkpoint that was read and found whole."""

    path: Path
    header: CheckpointHeader
    model: dict[str, Any]
    """What :func:`module_state` gave of the modules."""
    state: dict[str, Any]
    """Every other state, by the name of what has it."""


class Checkpoints:
    """The checkpoints in the folder of one run.

    The newest ``keep_last`` stay, and the best step that each of them knows.
    """

    def __init__(self, run: Path, *, keep_last: int = 3) -> None:
        self.folder = run / FOLDER
        self.keep_last = keep_last
        self._best_of: dict[str, int | None] = {}

    def save(
        self,
        header: CheckpointHeader,
        model: Mapping[str, Any],
        state: Mapping[str, Any],
    ) -> int:
        """Write a checkpoint, and remove the older ones that need not stay.

        ``model`` is what :func:`module_state` gave of the modules, ``state`` everything
        else. What comes back is the size of the checkpoint in bytes.
        """
        model_values, model_tensors = pack(model)
        values, tensors = pack(state)
        about = {
            "version": VERSION,
            **pack(vars(header))[0],
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
        path = self.folder / f"step-{header.step}"
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
                side_by_side=needs > SIDE_BY_SIDE_BYTES,
            )
        self._best_of[path.name] = header.best_step
        self._retain(why=if_there(path, f"{path} is written, and whole.\n"))
        return size

    def what_stands(self) -> Callable[[], str]:
        """Give what says, after a failed save, what there is to go on from."""
        with contextlib.suppress(RunError):
            if names := self.names():
                return if_there(self.folder, f"{self.folder / names[0]} is kept.\n")
        return lambda: "There is no checkpoint yet.\n"

    def newest(
        self, check: Callable[[CheckpointHeader], None] = lambda header: None
    ) -> tuple[Checkpoint | None, list[str]]:
        """Read the newest checkpoint that is whole.

        Args:
            check: Raises ``DamagedError`` where the checkpoint needs something outside
                of its folder that is damaged.

        Returns:
            The checkpoint, or None where there is none at all; and what is damaged in
            the newer ones, a line each.

        Raises:
            RunError: There are checkpoints, and none is whole; or one may be whole, and
                this process cannot read it.
        """
        damaged: list[str] = []
        for name in self.names():
            try:
                checkpoint = self.read(name)
                check(checkpoint.header)
            except DamagedError as error:
                damaged.append(str(error).partition("\n")[0])
                continue
            return checkpoint, damaged
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
            DamagedError: A file is missing or changed; the message names the file.
            RunError: The checkpoint is of another version.
        """
        path = self.folder / name
        contents = read_folder(path, known={MODEL, STATE, VALUES})
        about, header = _parse(contents[VALUES], path / VALUES)
        self._best_of[name] = header.best_step
        return Checkpoint(
            path=path,
            header=header,
            model=_state_in(about, "model", contents[MODEL], path / MODEL),
            state=_state_in(about, "state", contents[STATE], path / STATE),
        )

    def newest_header(self) -> CheckpointHeader | None:
        """Read what the newest whole checkpoint says of itself, without its tensors."""
        for name in self.names():
            with contextlib.suppress(DamagedError):
                return self._read_header(name)
        return None

    def _read_header(self, name: str) -> CheckpointHeader:
        path = self.folder / name
        contents = read_folder(path, only=VALUES)
        if VALUES not in contents:
            raise DamagedError(f"{path} holds no {VALUES}.")
        return _parse(contents[VALUES], path / VALUES)[1]

    def names(self) -> list[str]:
        """Give the names of all checkpoints, whole or not, the newest first."""
        with reading(self.folder):
            if self.folder.is_symlink():
                raise DamagedError(
                    f"{self.folder} is a link.\n"
                    "Files of another run would be written and removed.\n"
                    "Put the folder itself there, or let the whole run be a link."
                )
            if not self.folder.is_dir():
                return []
            names = [
                path.name
                for path in self.folder.iterdir()
                if FOLDER_NAME.fullmatch(path.name) and not path.is_symlink()
            ]
        return sorted(names, key=_key, reverse=True)

    def go_on_from(self, loaded: Checkpoint) -> None:
        """Finish what a kill broke off, and set newer checkpoints aside.

        They are damaged, as ``loaded`` is the newest whole one. They are renamed, and
        from then on neither counted nor removed.
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
        self._retain(why=if_there(loaded.path, f"{loaded.path} is whole.\n"))

    def _clean_up(self) -> None:
        """Remove folders that were not finished; put back those being replaced."""
        sweep(self.folder)
        for name in self.names():
            if name.endswith(OLD):
                put_back(self.folder / name.removesuffix(OLD))

    def _retain(self, why: Callable[[], str]) -> None:
        """Remove checkpoints that are neither the best nor among the newest."""
        names = self.names()
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
            return self._read_header(name).best_step
        except RunError:  # the damage is told when this checkpoint is to be used
            return None


def _key(name: str) -> tuple[int, bool]:
    """Order by step; a folder that was being replaced comes before the new one."""
    match = FOLDER_NAME.fullmatch(name)
    assert match is not None
    return int(match[1]), match[2] is None


def _parse(content: bytes, path: Path) -> tuple[dict[str, Any], CheckpointHeader]:
    about: dict[str, Any] = parse_json(content, str(path))
    check_version(about, VERSION, path)
    return about, parse_header(about, path)


def _state_in(
    about: dict[str, Any], name: str, content: bytes, path: Path
) -> dict[str, Any]:
    tensors: dict[str, Tensor] = read_tensors(content, str(path))
    values = path.with_name(VALUES)
    state = unpack(about[name], tensors, f"{values}, {name},")
    if not isinstance(state, dict):
        raise damaged_field(values, name, state)
    return state
