"""Strict JSON with bounds: what is written can be read, and reading is never costly."""

import itertools
import json
import math
from pathlib import Path
from typing import Any, NoReturn

from gradatim.errors import DamagedError, RunError
from gradatim.store.disk import read_file
from gradatim.text import one_line, shown

__all__ = [
    "check_version",
    "in_utf8",
    "may_be_read",
    "parse_json",
    "read_text",
    "to_json",
]

MAX_JSON_BYTES = 16 << 20
"""The size of a JSON file. With ``MAX_VALUES`` it keeps a file below 200 MB of memory
once it is read (tests/faults/test_hostile.py)."""

MAX_VALUES = 3 << 18
"""Values, keys and objects in one JSON file; see ``MAX_JSON_BYTES``."""

MAX_DEPTH = 250
"""Levels of lists and objects within each other: a quarter of the 1,000 calls within
each other that Python allows."""

MAX_INTEGER = 10**300
"""The largest integer, and less its sign the smallest: below the largest float, so that
every integer can become one."""

MAX_DIGITS = 301
"""The digits of ``MAX_INTEGER``. The length is checked first, as the time that Python
takes for an integer grows with the square of its digits."""


def to_json(value: Any, *, indent: int | None = None) -> str:
    """Write JSON; a NaN or infinite number, which JSON does not know, becomes null.

    >>> to_json({"val_loss": float("nan"), "epoch": 1})
    '{"val_loss": null, "epoch": 1}'
    """
    finite = _finite(value)
    return json.dumps(finite, ensure_ascii=False, allow_nan=False, indent=indent)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(part) for part in value]
    return value


def in_utf8(text: str) -> bytes:
    r"""Give the bytes of a JSON text; half a surrogate pair is written as an escape.

    The name of a file has such a half where the name is no UTF-8.

    >>> in_utf8(to_json("caf\udce9"))
    b'"caf\\udce9"'
    """
    return text.encode(errors="backslashreplace")


def check_version(value: Any, version: int, path: Path) -> None:
    """Refuse a file of another version, or one that says none."""
    found = value.get("version") if isinstance(value, dict) else None
    if type(found) is not int or found != version:
        raise RunError(
            f"{path}: version {shown(found)}, but this gradatim reads version "
            f"{version}.\nA field may mean something else there.\n"
            "Use the gradatim that wrote it, or train again."
        )


def read_text(path: Path) -> str:
    """Read a UTF-8 file, of a size that JSON may have; refuse anything else."""
    if not path.exists() and not path.is_symlink():
        raise DamagedError(
            f"{path} does not exist.\nThe run cannot be used without it.\n"
            "Look whether the folder is a run of gradatim's, and was copied whole."
        )
    return _decoded(read_file(path, most=MAX_JSON_BYTES), str(path))


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
    is_short = len(content) <= MAX_JSON_BYTES
    return is_short and _num_values(content.decode()) <= MAX_VALUES


def _num_values(text: str) -> int:
    """Count what opens a list or an object or separates values, wherever it stands."""
    return sum(map(text.count, "[{,:"))


def parse_json(content: str | bytes, place: str) -> Any:
    """Read strict JSON: no NaN, no infinite number, no key twice, not too much.

    Args:
        content: The JSON, as text or in UTF-8.
        place: Where the JSON is from, for messages.

    Raises:
        DamagedError: The content is anything else.
    """
    if len(content) > MAX_JSON_BYTES:
        raise _invalid(place, f"it has {len(content):,} bytes, more than any does")
    text = content if isinstance(content, str) else _decoded(content, place)
    del content  # of a large file the text alone stays in memory
    try:
        if _num_values(text) > MAX_VALUES:
            raise ValueError(f"more than {MAX_VALUES:,} values")
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
    if len(text.lstrip("-")) > MAX_DIGITS or abs(value := int(text)) > MAX_INTEGER:
        raise ValueError(f"{shown(text)} is too large a number")
    return value


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return value


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [part for part in level if isinstance(part, (dict, list))]
        if not level:
            return
        parts = (part.values() if isinstance(part, dict) else part for part in level)
        level = list(itertools.chain.from_iterable(parts))
    raise ValueError(f"lists and objects deeper than {MAX_DEPTH} levels")
