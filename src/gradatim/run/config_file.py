"""``config.json``: what a run was begun with, sealed by its own SHA-256."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from gradatim.errors import DamagedError, RunError
from gradatim.run.environment import environment
from gradatim.store.disk import disk_errors, replace_file
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
"""What every run has; those of a table have more."""
OURS = {CONFIG, ENVIRONMENT, "lock", "history.jsonl", "checkpoints", "schema.json"}


def write_config(folder: Path, kind: str, about: Mapping[str, Any]) -> None:
    """Write ``config.json`` and ``environment.json`` of a new run.

    Args:
        folder: The run's.
        kind: ``"table"``, ``"line"`` or ``"python"``.
        about: More fields, as JSON has them.
    """
    created_at = datetime.now(UTC).isoformat()
    config = {"version": VERSION, "created_at": created_at, "kind": kind, **about}
    replace_file(folder / ENVIRONMENT, [sealed({"version": VERSION, **environment()})])
    replace_file(folder / CONFIG, [sealed(config)])


def begin_config(folder: Path) -> None:
    """Write the configuration of a run of Python's, where none is there yet.

    Raises:
        DamagedError: There is another program's ``config.json``.
    """
    if (folder / CONFIG).exists():
        read_config(folder)
        return
    with disk_errors(folder):
        write_config(folder, "python", {})


def mend_config(folder: Path) -> list[str]:
    """Write the configuration of a run of Python's anew where it is damaged.

    What goes on does not need it. Gives what to tell.
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
    """Refuse a folder with files that are no run's.

    Raises:
        RunError: The folder is another program's, or one's own work.
    """
    if not folder.is_dir() or (folder / CONFIG).exists():
        return
    others = [
        each.name
        for each in folder.iterdir()
        if each.name not in OURS and not each.name.startswith(".tmp-")
    ]
    if others:
        raise RunError(
            f"{folder} holds {min(others)} and is no run of gradatim's.\n"
            "A run writes and removes files in its folder.\n"
            "Name a folder that is empty, or does not exist."
        )


def read_environment(path: Path) -> dict[str, Any]:
    """Read a run's ``environment.json``.

    Raises:
        DamagedError: It is missing or changed.
        RunError: It is of another version.
    """
    found = read_sealed(path / ENVIRONMENT, version=VERSION)
    names = {"version", *environment()}
    for name, value in found.items():
        if name not in names or not isinstance(value, (str, int, type(None))):
            raise _unknown(path / ENVIRONMENT, name, value)
    if absent := names - set(found):
        raise lacks(path / ENVIRONMENT, absent)
    return found


def read_config(path: Path) -> dict[str, Any]:
    """Read a run's ``config.json``.

    Raises:
        DamagedError: It is missing or changed; so will be asking for a field that it
            lacks.
        RunError: It is of another version.
    """
    config = Config(path / CONFIG, read_sealed(path / CONFIG, version=VERSION))
    for name, value in config.items():
        if name != "version" and not (name in CHECKS and CHECKS[name](value)):
            raise _unknown(path / CONFIG, name, value)
    if absent := FIELDS - set(config):
        raise lacks(path / CONFIG, absent)
    return config


class Config(dict[str, Any]):
    """Fields of a file; one that it lacks is told with the file's name."""

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


def _unknown(path: Path, name: str, value: Any) -> DamagedError:
    return DamagedError(
        f"{path} has the field {shown(name)} with {shown(value)}.\n"
        "This version writes no such thing, and cannot tell what it means.\n"
        "Copy the run folder again."
    )


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 63


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _has(**checks: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """Give the check of an object with these fields and no others."""

    def check(value: Any) -> bool:
        return (
            isinstance(value, dict)
            and set(value) == set(checks)
            and all(fits(value[name]) for name, fits in checks.items())
        )

    return check


CHECKS: dict[str, Callable[[Any], bool]] = {
    "created_at": _is_text,
    "kind": lambda value: value in ("table", "line", "python"),
    "command": _is_text,
    "file": _has(name=_is_text, bytes=_is_count, path=_is_text),
    "target": _is_text,
    "task": lambda value: value in ("regression", "binary", "classification"),
    "drop": _are_texts,
    "keep": _are_texts,
    "drop_missing_target": lambda value: isinstance(value, bool),
    "rows": _has(train=_is_count, val=_is_count, test=_is_count),
    "training": lambda value: isinstance(value, dict),
    "network": lambda value: value in ("residual_mlp", "linear", "custom"),
    "schema_sha256": lambda v: _is_text(v) and bool(re.fullmatch("[0-9a-f]{64}", v)),
}
"""What the fields of ``config.json`` may be."""
