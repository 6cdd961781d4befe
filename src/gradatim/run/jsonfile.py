"""JSON files, written whole or not at all, and read with suspicion."""

import json
import math
import os
from pathlib import Path
from typing import Any, NoReturn

from gradatim.errors import RunError

__all__ = ["read_json", "read_json_lines", "to_json", "write_bytes", "write_json"]


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file, on the disk when this returns; its mode is the umask's."""
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def to_json(value: Any, *, indent: int | None = None) -> str:
    """Write JSON; a NaN or infinite number, which JSON does not know, becomes null.

    >>> to_json({"val_loss": float("nan"), "epoch": 1})
    '{"val_loss": null, "epoch": 1}'
    """
    return json.dumps(
        _finite(value), ensure_ascii=False, allow_nan=False, indent=indent
    )


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(part) for part in value]
    return value


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as a JSON file for people to read, too."""
    write_bytes(path, (to_json(value, indent=2) + "\n").encode())


def read_json(path: Path, *, version: int | None = None) -> Any:
    """Read a JSON file.

    Args:
        path: The file.
        version: What its ``"version"`` must be; None where it has none.

    Raises:
        RunError: It is missing, no strict JSON, or of another version.
    """
    value = _parse(path, _read_text(path))
    if version is not None:
        found = value.get("version") if isinstance(value, dict) else None
        if found != version:
            raise RunError(
                f"{path}: version {found!r}, but this gradatim reads version "
                f"{version}.\nA field may mean something else there.\n"
                "Use the gradatim that wrote it, or train again."
            )
    return value


def read_json_lines(path: Path) -> list[Any]:
    """Read a file with one JSON value a line.

    Raises:
        RunError: It is missing, or a line is no strict JSON.
    """
    # Not splitlines(): it also cuts at U+2028, which JSON allows within a string.
    lines = _read_text(path).removesuffix("\n").split("\n")
    if lines == [""]:
        return []
    return [_parse(path, line, number) for number, line in enumerate(lines, start=1)]


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise RunError(
            f"{path} does not exist.\nThe run cannot be used without it.\n"
            "Look whether the folder is a run of gradatim's, and was copied whole."
        ) from error
    except (UnicodeDecodeError, OSError) as error:
        raise RunError(f"{path} cannot be read: {error}.") from error


def _parse(path: Path, text: str, line: int | None = None) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        place = f"{path}, line {line}" if line else f"{path}"
        raise RunError(
            f"{place} is no valid JSON: {error}.\n"
            "It was damaged, or changed by hand.\n"
            "Put back a copy of the file, or train again."
        ) from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
