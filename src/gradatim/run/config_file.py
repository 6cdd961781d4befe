"""``config.json``: what a run was begun with, sealed by its own SHA-256."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import NoneType
from typing import Any, NoReturn

from gradatim.errors import DamagedError, RunError
from gradatim.run.fingerprint import environment
from gradatim.store.checks import (
    Check,
    fields,
    is_bool,
    is_count,
    is_number,
    is_object,
    is_text,
    list_of,
    one_of,
)
from gradatim.store.disk import TEMPORARY, disk_errors, replace_file
from gradatim.store.manifest import read_sealed, sealed
from gradatim.text import shown

__all__ = [
    "CONFIG",
    "ENVIRONMENT",
    "begin_config",
    "check_ours",
    "lacks",
    "mend_config",
    "read_config",
    "read_environment",
    "write_config",
]

VERSION = 2
"""Version 1 had no checkpoints, and the digests of a whole run in this file."""

CONFIG, ENVIRONMENT = "config.json", "environment.json"

FIELDS = {"version", "created_at", "kind"}
"""The fields that every run has; the runs of tables have more."""

LOCK = "lock"
OWN_FILES = {CONFIG, ENVIRONMENT, LOCK, "history.jsonl", "checkpoints", "schema.json"}
"""What may be in a folder in which a run was begun, before its configuration is."""


def write_config(folder: Path, kind: str, about: Mapping[str, Any]) -> None:
    """Write ``config.json``, with the fields ``about``, and ``environment.json``."""
    created_at = datetime.now(UTC).isoformat()
    config = {"version": VERSION, "created_at": created_at, "kind": kind, **about}
    replace_file(folder / ENVIRONMENT, [sealed({"version": VERSION, **environment()})])
    replace_file(folder / CONFIG, [sealed(config)])


def begin_config(folder: Path) -> None:
    """Write the configuration of a run from Python, where there is none yet."""
    if (folder / CONFIG).exists():
        read_config(folder)
        return
    with disk_errors(folder):
        write_config(folder, "python", {})


def mend_config(folder: Path) -> list[str]:
    """Write the configuration of a run from Python anew where it is damaged.

    Such a run can go on without the old one. The lines are what to tell the user.
    """
    try:
        read_config(folder)
    except DamagedError as error:
        what = str(error).partition("\n")[0]
        with disk_errors(folder):
            write_config(folder, "python", {})
        return [f"{what} It is written anew, with the present time in it."]
    return []


def check_ours(folder: Path) -> None:
    """Refuse a folder with files of another program, or with the user's own work."""
    if not folder.is_dir() or (folder / CONFIG).exists():
        return
    others = [
        file.name
        for file in folder.iterdir()
        if file.name not in OWN_FILES and not file.name.startswith(TEMPORARY)
    ]
    if others:
        raise RunError(
            f"{folder} holds {min(others)} and is no run of gradatim's.\n"
            "A run writes and removes files in its folder.\n"
            "Name a folder that is empty, or does not exist."
        )


def read_environment(path: Path) -> dict[str, Any]:
    """Read a run's ``environment.json``; a damaged one is refused."""
    checks = dict.fromkeys(environment(), lambda v: isinstance(v, (str, int, NoneType)))
    return _read(path / ENVIRONMENT, checks, needed=set(checks))


def read_config(path: Path) -> dict[str, Any]:
    """Read a run's ``config.json``; a damaged one is refused.

    Asking for a field that the file lacks raises the same error later.
    """
    return _read(path / CONFIG, CHECKS, needed=FIELDS)


def _read(path: Path, checks: Mapping[str, Check], needed: set[str]) -> "Config":
    config = Config(path, read_sealed(path, version=VERSION))
    for name, value in config.items():
        if name != "version" and not (name in checks and checks[name](value)):
            raise DamagedError(
                f"{path} has the field {shown(name)} with {shown(value)}.\n"
                "This version writes no such thing, and cannot tell what it means.\n"
                "Copy the run folder again."
            )
    if absent := needed - set(config):
        raise lacks(path, absent)
    return config


class Config(dict[str, Any]):
    """The fields of a file. Asking for one that it lacks names the file."""

    def __init__(self, path: Path, content: Mapping[str, Any]) -> None:
        super().__init__(content)
        self.path = path

    def __missing__(self, name: str) -> NoReturn:
        raise lacks(self.path, {name})


def lacks(path: Path, names: set[str]) -> DamagedError:
    """Make the error of a file that lacks these fields."""
    return DamagedError(
        f"{path} lacks {', '.join(sorted(names))}.\n"
        "It was damaged, or changed by hand.\nCopy the run folder again."
    )


CHECKS: dict[str, Check] = {
    "created_at": is_text,
    "kind": one_of("table", "line", "python"),
    "command": is_text,
    "file": fields(name=is_text, bytes=is_count, path=is_text),
    "val_file": fields(name=is_text, bytes=is_count, path=is_text),
    "test_file": fields(name=is_text, bytes=is_count, path=is_text),
    "target": is_text,
    "task": one_of("regression", "binary", "classification"),
    "drop": list_of(is_text),
    "keep": list_of(is_text),
    "drop_missing_target": is_bool,
    "category": list_of(is_text),
    "number": list_of(is_text),
    "date": list_of(is_text),
    "text": list_of(is_text),
    "id": list_of(is_text),
    "ordered": list_of(is_text),
    "missing": list_of(is_text),
    "rows": fields(train=is_count, val=is_count, test=is_count),
    "split_doubts": list_of(
        fields(
            column=is_text,
            on=one_of("later", "stretches", "groups"),
            score=is_text,
            random=is_number,
            apart=is_number,
        )
    ),
    "training": is_object,
    "network": one_of("residual_mlp", "linear", "custom"),
    "schema_sha256": lambda v: is_text(v) and bool(re.fullmatch("[0-9a-f]{64}", v)),
}
"""What the fields of ``config.json`` may be."""
