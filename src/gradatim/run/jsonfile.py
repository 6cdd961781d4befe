"""JSON files, written whole or not at all, and read with suspicion."""

import json
import math
from pathlib import Path
from typing import Any, NoReturn

from gradatim.errors import DamagedError, RunError
from gradatim.run.disk import read_file, write_file

__all__ = [
    "check_version",
    "parse_json",
    "read_json",
    "read_json_lines",
    "read_text",
    "to_json",
    "write_bytes",
    "write_json",
]

MOST_BYTES = 16 << 20
MOST_PARTS = 1 << 20
"""Bytes, and lists and objects, in one JSON file: about 100 MB once they are read."""


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


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file, on the disk when this returns."""
    write_file(path, [content])


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as a JSON file for people to read, too."""
    write_file(path, [(to_json(value, indent=2) + "\n").encode()])


def read_json(path: Path, *, version: int | None = None) -> Any:
    """Read a JSON file.

    Args:
        path: The file.
        version: What its ``"version"`` must be; None where it has none.

    Raises:
        RunError: It is missing, no strict JSON, or of another version.
    """
    value = parse_json(read_text(path), str(path))
    if version is not None:
        check_version(value, version, path)
    return value


def check_version(value: Any, version: int, path: Path) -> None:
    """Refuse a file of another version.

    Raises:
        RunError: It is of another version, or says none.
    """
    found = value.get("version") if isinstance(value, dict) else None
    if type(found) is not int or found != version:
        raise RunError(
            f"{path}: version {found!r}, but this gradatim reads version "
            f"{version}.\nA field may mean something else there.\n"
            "Use the gradatim that wrote it, or train again."
        )


def read_json_lines(path: Path) -> list[Any]:
    """Read a file with one JSON value a line.

    Raises:
        RunError: It is missing, or a line is no strict JSON.
    """
    # Not splitlines(): it also cuts at U+2028, which JSON allows within a string.
    lines = read_text(path).removesuffix("\n").split("\n")
    if lines == [""]:
        return []
    return [
        parse_json(line, f"{path}, line {number}")
        for number, line in enumerate(lines, start=1)
    ]


def read_text(path: Path) -> str:
    """Read a UTF-8 file, of a size that JSON may have.

    Raises:
        RunError: It is missing, too large, or cannot be read.
    """
    if not path.exists() and not path.is_symlink():
        raise DamagedError(
            f"{path} does not exist.\nThe run cannot be used without it.\n"
            "Look whether the folder is a run of gradatim's, and was copied whole."
        )
    try:
        return read_file(path, most=MOST_BYTES).decode()
    except UnicodeDecodeError as error:
        raise DamagedError(f"{path} cannot be read: {error}.") from error


def parse_json(text: str, place: str) -> Any:
    """Read strict JSON: no NaN, no infinite number, no key twice, not too much.

    Args:
        text: The JSON.
        place: Where it is from, for messages.

    Raises:
        DamagedError: It is anything else.
    """
    try:
        if text.count("[") + text.count("{") > MOST_PARTS:
            raise ValueError(f"more than {MOST_PARTS:,} lists and objects")
        return json.loads(
            text,
            parse_constant=_refuse_constant,
            parse_float=_finite_float,
            object_pairs_hook=_unique_keys,
        )
    except (ValueError, RecursionError) as error:
        raise DamagedError(
            f"{place} is no valid JSON: {error}.\n"
            "It was damaged, or changed by hand.\n"
            "Put back a copy of the file, or train again."
        ) from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _finite_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is too large a number")
    return value


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return value
