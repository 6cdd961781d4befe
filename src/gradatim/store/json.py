"""JSON files, written whole or not at all, and read with suspicion."""

import itertools
import json
import math
from pathlib import Path
from typing import Any, NoReturn

from gradatim.errors import DamagedError, RunError
from gradatim.store.disk import read_file, write_file
from gradatim.text import one_line, shown

__all__ = [
    "check_version",
    "in_utf8",
    "may_be_read",
    "parse_json",
    "read_json",
    "read_json_lines",
    "read_text",
    "to_json",
    "write_bytes",
    "write_json",
]

MOST_BYTES = 16 << 20
MOST_PARTS = 3 << 18
"""Bytes, and values, keys and objects, in one JSON file: below 200 MB once read."""

MOST_DEPTH = 250
"""Lists and objects within each other: a quarter of what Python's stack takes."""

MOST_INTEGER, MOST_DIGITS = 10**300, 301
"""The largest integer, either way: below the largest float."""


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


def in_utf8(text: str) -> bytes:
    r"""Give the bytes of JSON; half a surrogate pair is escaped, as JSON has it.

    Such are in the name of a file that is no UTF-8.

    >>> in_utf8(to_json("caf\udce9"))
    b'"caf\\udce9"'
    """
    return text.encode(errors="backslashreplace")


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file, on the disk when this returns."""
    write_file(path, [content])


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as a JSON file for people to read, too."""
    write_file(path, [in_utf8(to_json(value, indent=2) + "\n")])


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
            f"{path}: version {shown(found)}, but this gradatim reads version "
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
    return _decoded(read_file(path, most=MOST_BYTES), str(path))


def _decoded(content: bytes, place: str) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise DamagedError(
            f"{place} cannot be read: it is no UTF-8 ({error.reason} at byte "
            f"{error.start:,}).\nIt was damaged, or is another kind of file.\n"
            "Put back a copy of the file, or train again."
        ) from error


def may_be_read(content: bytes) -> bool:
    """Tell whether :func:`parse_json` takes JSON of this length."""
    return len(content) <= MOST_BYTES and _num_parts(content.decode()) <= MOST_PARTS


def _num_parts(text: str) -> int:
    return sum(map(text.count, "[{,:"))


def parse_json(content: str | bytes, place: str) -> Any:
    """Read strict JSON: no NaN, no infinite number, no key twice, not too much.

    Args:
        content: The JSON, as text or in UTF-8.
        place: Where it is from, for messages.

    Raises:
        DamagedError: It is anything else.
    """
    if len(content) > MOST_BYTES:
        raise _invalid(place, f"it has {len(content):,} bytes, more than any does")
    text = content if isinstance(content, str) else _decoded(content, place)
    del content
    try:
        if _num_parts(text) > MOST_PARTS:
            raise ValueError(f"more than {MOST_PARTS:,} values")
        value = json.loads(
            text,
            parse_constant=_refuse_constant,
            parse_float=_finite_float,
            parse_int=_bounded_int,
            object_pairs_hook=_unique_keys,
        )
        _check_depth(value)
    except (ValueError, RecursionError) as error:
        raise _invalid(place, one_line(error)) from error
    return value


def _invalid(place: str, what: str) -> DamagedError:
    return DamagedError(
        f"{place} is no valid JSON: {what}.\n"
        "It was damaged, or changed by hand.\n"
        "Put back a copy of the file, or train again."
    )


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _finite_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{shown(text)} is too large a number")
    return value


def _bounded_int(text: str) -> int:
    if len(text.lstrip("-")) > MOST_DIGITS or abs(value := int(text)) > MOST_INTEGER:
        raise ValueError(f"{shown(text)} is too large a number")
    return value


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return value


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(MOST_DEPTH + 1):
        level = [each for each in level if isinstance(each, (dict, list))]
        if not level:
            return
        parts = (each.values() if isinstance(each, dict) else each for each in level)
        level = list(itertools.chain.from_iterable(parts))
    raise ValueError(f"lists and objects deeper than {MOST_DEPTH} levels")
