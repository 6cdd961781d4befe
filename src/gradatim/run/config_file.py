"""``config.json``: what a run was begun with, sealed by its own SHA-256."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gradatim.errors import DamagedError, RunError
from gradatim.run.disk import disk_errors, replace_file
from gradatim.run.environment import environment
from gradatim.run.manifest import read_sealed, sealed

__all__ = [
    "CONFIG",
    "ENVIRONMENT",
    "begin_config",
    "read_config",
    "read_environment",
    "write_config",
]

VERSION = 2
"""Version 1 had no checkpoints, and the digests of a whole run in this file."""

CONFIG, ENVIRONMENT = "config.json", "environment.json"
FIELDS = {"version", "created_at", "kind"}
OURS = {CONFIG, ENVIRONMENT, "lock", "history.jsonl", "checkpoints", "schema.json"}


def write_config(folder: Path, kind: str, about: dict[str, Any]) -> None:
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
        RunError: The folder is another program's, or one's own work.
    """
    if (folder / CONFIG).exists():
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
    with disk_errors(folder):
        write_config(folder, "python", {})


def read_environment(path: Path) -> dict[str, Any]:
    """Read a run's ``environment.json``.

    Raises:
        DamagedError: It is missing or changed.
        RunError: It is of another version.
    """
    return read_sealed(path / ENVIRONMENT, version=VERSION)


def read_config(path: Path) -> dict[str, Any]:
    """Read a run's ``config.json``.

    Raises:
        DamagedError: It is missing or changed.
        RunError: It is of another version.
    """
    config = read_sealed(path / CONFIG, version=VERSION)
    if absent := FIELDS - set(config):
        raise DamagedError(
            f"{path / CONFIG} lacks {', '.join(sorted(absent))}.\n"
            "It was damaged, or changed by hand.\nCopy the run folder again."
        )
    return config
