"""A schema as it is stored in JSON, and read again with every entry checked.

A stored schema may be damaged or changed by hand, and all data are read by it. So
nothing is taken over before it is sure that gradatim could have written it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any, get_args

import pyarrow as pa
import pyarrow.compute as pc

from gradatim.errors import SchemaError
from gradatim.store.checks import (
    Check,
    is_bool,
    is_count,
    is_object,
    is_text,
    list_of,
    one_of,
)
from gradatim.tables.schema.calendar import PARTS
from gradatim.tables.schema.column_kinds import VOCABULARY_CAP
from gradatim.tables.schema.columns import Column, Kind, Target, Task, arrow_type
from gradatim.tables.schema.targets import MAX_CLASSES
from gradatim.tables.schema.values_to_codes import UNITS_PER_S
from gradatim.text import shown

__all__ = ["VERSION", "read_stored", "to_stored"]

VERSION = 1
"""The version of the format, which is written into every schema."""

FIELDS = ("num_rows", "missing_values", "columns", "target")

LABEL_TYPES = {"string": str, "bool": bool, "int64": int, "double": float}
"""The Python type of a target's labels, by the Arrow type of its column."""

MAX_INT64 = 2**63 - 1


def to_stored(
    columns: Sequence[Column],
    target: Target | None,
    num_rows: int,
    missing_values: Sequence[str],
) -> dict[str, Any]:
    """Write the parts of a schema with lists, dicts, strings and numbers alone."""
    return {
        "version": VERSION,
        "num_rows": num_rows,
        "missing_values": list(missing_values),
        "columns": [_as_dict(column) for column in columns],
        "target": None if target is None else _as_dict(target),
    }


def _as_dict(part: Column | Target) -> dict[str, Any]:
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in asdict(part).items()
    }


def read_stored(data: Any) -> dict[str, Any]:
    """Read what ``to_stored`` wrote; give its arguments.

    Raises:
        SchemaError: The version is another one, entries are unknown or missing, or have
            values that no schema has.
    """
    version = data.get("version") if isinstance(data, Mapping) else None
    if type(version) is not int or version != VERSION:
        raise SchemaError(
            f"The schema is of version {shown(version)}; this gradatim "
            f"reads version {VERSION}.\n"
            "Its entries may mean something else.\n"
            "Use the version of gradatim that wrote it, or train again."
        )
    _check_names(data, {"version", *FIELDS}, "the schema")
    for name in ("num_rows", "missing_values", "columns"):
        _check_value(name, data[name], "the schema")
    columns = tuple(
        _read_part(Column, column, f"column {place}")
        for place, column in enumerate(data["columns"])
    )
    target = data["target"]
    if target is not None:
        target = _read_part(Target, target, "the target")
    names = [part.name for part in (*columns, target) if part is not None]
    if not _differ(names):
        raise _unfit("a name that two columns have", "its columns")
    return {
        "columns": columns,
        "target": target,
        "num_rows": data["num_rows"],
        "missing_values": tuple(data["missing_values"]),
    }


def _read_part(part: Any, data: Any, where: str) -> Any:
    """Make a ``Column`` or ``Target`` of its entries."""
    _check_names(data, {entry.name for entry in fields(part)}, where)
    for name, value in data.items():
        _check_value(name, value, where)
    lists = {name: tuple(v) for name, v in data.items() if isinstance(v, list)}
    made = part(**{**data, **lists})
    if isinstance(made, Target):
        _check_target(made, where)
    elif made.used:
        _check_feature(made, where)
    return made


def _check_names(data: Any, names: set[str], where: str) -> None:
    stored = set(data) if isinstance(data, Mapping) else set()
    if stored != names:
        raise SchemaError(
            "The schema has unknown entries "
            f"{shown(sorted(map(str, stored - names)))} "
            f"and lacks {shown(sorted(names - stored))} for {where}.\n"
            "What it does not say cannot be guessed.\n"
            "Copy the whole run folder again."
        )


def _check_value(name: str, value: Any, where: str) -> None:
    if not CHECKS.get(name, is_text)(value):
        raise _unfit(f"{name} = {shown(value)}", where)


def _unfit(what: str, where: str) -> SchemaError:
    return SchemaError(
        f"The schema has {what} for {where}.\n"
        "No schema that gradatim writes does.\n"
        "Copy the whole run folder again."
    )


def _is_label(value: Any) -> bool:
    return isinstance(value, (str, bool, int, float))


def _is_int64(value: Any) -> bool:
    return type(value) is int and -MAX_INT64 <= value <= MAX_INT64


def _is_origin(value: Any) -> bool:
    return _is_int64(value) or (type(value) is float and math.isfinite(value))


CHECKS: dict[str, Check] = {
    "columns": list_of(is_object),
    "kind": one_of(*get_args(Kind)),
    "labels": list_of(_is_label),
    "missing_values": list_of(is_text),
    "num_missing": is_count,
    "num_rows": is_count,
    "origin": _is_origin,
    "parts": list_of(is_text),
    "task": one_of(*get_args(Task)),
    "unit": one_of("", *UNITS_PER_S),
    "used": is_bool,
    "vocabulary": list_of(is_text),
}
"""What the entries of a stored schema may be; those not named here are texts."""


def _check_feature(column: Column, where: str) -> None:
    """Check that the entries by which a feature is read fit each other."""
    kind = _arrow_type(column.type, where)
    if not _differ(column.parts) or not set(column.parts) <= set(PARTS):
        raise _unfit(f"parts = {shown(column.parts)}", where)
    if column.group == "categories":
        fits = column.type in ("string", "bool") and _differ(column.vocabulary)
        fits = fits and len(column.vocabulary) <= VOCABULARY_CAP
        if column.type == "bool":
            fits = column.vocabulary == ("false", "true")
    elif column.group == "times":
        is_time = pa.types.is_temporal(kind) and not pa.types.is_duration(kind)
        fits = is_time and column.unit != "" and _is_int64(column.origin)
    else:
        fits = column.type in ("double", "int64")
    if column.group != "times":
        fits = fits and not column.parts and not column.unit
    if not fits:
        what = f"the type {shown(column.type)}, which its other entries do not fit,"
        raise _unfit(what, where)


def _check_target(target: Target, where: str) -> None:
    """Check labels and type, by which answers are made."""
    _arrow_type(target.type, where)
    labels = target.labels
    if target.task == "regression":
        fits = not labels and target.type in ("double", "int64")
    else:
        fits = 2 <= len(labels) <= MAX_CLASSES and _differ(labels)
        fits = fits and (target.task != "binary" or len(labels) == 2)
        for label in labels:
            fits = fits and type(label) is LABEL_TYPES.get(target.type)
            fits = fits and (isinstance(label, (str, bool)) or _is_origin(label))
    if not fits:
        raise _unfit(
            f"labels = {shown(labels)} of the type {shown(target.type)}", where
        )


def _differ(values: Sequence[Any]) -> bool:
    return len(set(values)) == len(values)


def _arrow_type(text: str, where: str) -> Any:
    try:
        kind = arrow_type(text)
        if getattr(kind, "tz", None) is not None:
            pc.local_timestamp(pa.array([0], kind))  # raises where no zone is so called
    except ValueError as error:
        raise SchemaError(
            f"The schema has the type {shown(text)} for {where}.\n"
            "There is no such type in Arrow, by which columns are read.\n"
            "Copy the whole run folder again."
        ) from error
    return kind
