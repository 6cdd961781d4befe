"""A stored schema, read again with every entry checked.

It may be damaged or changed by hand, and all data are read by it. So nothing is taken
over before it is sure that gradatim could have written it.
"""

import math
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, get_args

import pyarrow as pa
import pyarrow.compute as pc

from gradatim.errors import ConfigError, SchemaError
from gradatim.store.checks import (
    Check,
    is_bool,
    is_count,
    is_int64,
    is_object,
    is_text,
    list_of,
    of_type,
    one_of,
    whole,
)
from gradatim.tables.files.reading import Reading
from gradatim.tables.schema.calendar import PARTS
from gradatim.tables.schema.column_kinds import VOCABULARY_CAP
from gradatim.tables.schema.columns import Column, Kind, Target, Task, arrow_type
from gradatim.tables.schema.date_forms import pattern_of
from gradatim.tables.schema.ngrams import MOST_NGRAMS
from gradatim.tables.schema.spelling import Spelling
from gradatim.tables.schema.targets import MAX_CLASSES
from gradatim.tables.schema.values_to_codes import UNITS_PER_S
from gradatim.text import shown

__all__ = ["LATER_ENTRIES", "VERSION", "read_stored"]

VERSION = 1
"""The version of the format, which is written into every schema."""
LATER_ENTRIES = {
    Column: frozenset(("spelling", "missing", "of", "num_ngrams")),
    Target: frozenset(("spelling", "missing", "reason")),
}
"""Entries that the first schemas did not have. They are stored only where they say
something, and may be absent."""


def read_stored(data: Any) -> dict[str, Any]:
    """Give the fields of a schema, or raise a ``SchemaError`` as ``from_dict`` says."""
    version = data.get("version") if is_object(data) else None
    if not is_int64(version) or version != VERSION:
        raise SchemaError(
            f"The schema is of version {shown(version)}; this gradatim "
            f"reads version {VERSION}.\n"
            "Its entries may mean something else.\n"
            "Use the version of gradatim that wrote it, or train again."
        )
    names = {"version", "num_rows", "missing_values", "columns", "target"}
    _check_names(data, names | {"reading"} & set(data), "the schema")
    reading = _read_reading(data.get("reading", {}))
    for name in ("num_rows", "missing_values", "columns"):
        _check_value(name, data[name], "the schema")
    columns = tuple(
        _read_part(Column, column, f"column {place}")
        for place, column in enumerate(data["columns"])
    )
    target = data["target"]
    if target is not None:
        target = _read_part(Target, target, "the target")
    if not _differ([part.name for part in (*columns, target) if part is not None]):
        raise _unfit("a name that two columns have", "its columns")
    return {
        "columns": columns,
        "target": target,
        "num_rows": data["num_rows"],
        "missing_values": tuple(data["missing_values"]),
        "reading": reading,
    }


def _read_reading(data: Any) -> Reading:
    """Make a ``Reading`` of its entries: texts, and True where something is so."""
    is_fit = is_object(data) and set(data) <= set(Reading.names())
    if not is_fit or not all(
        value is True
        if name in ("no_header", "skip_bad_lines")
        else isinstance(value, str)
        for name, value in data.items()
    ):
        raise _unfit(f"a reading of {shown(data)}", "the schema")
    return Reading(**data)


def _read_part(part: Any, data: Any, where: str) -> Any:
    """Make a ``Column`` or ``Target`` of its entries."""
    names = {entry.name for entry in fields(part)}
    given = set(data) if is_object(data) else set()
    _check_names(data, names - (LATER_ENTRIES[part] - given), where)
    for name, value in data.items():
        _check_value(name, value, where)
    made_of: dict[str, Any] = {
        name: tuple(v) for name, v in data.items() if isinstance(v, list)
    }
    if "spelling" in data:
        made_of["spelling"] = _read_spelling(data["spelling"], where)
    made = part(**{**data, **made_of})
    if isinstance(made, Target):
        _check_target(made, where)
    elif made.used:
        _check_feature(made, where)
    return made


def _read_spelling(data: Any, where: str) -> Spelling:
    """Make a ``Spelling`` of its entries, each of which may be left out."""
    names = {entry.name for entry in fields(Spelling)}
    if unknown := set(data) - names:
        raise _unfit(f"a spelling with {shown(sorted(map(str, unknown)))}", where)
    for name, value in data.items():
        if not SPELLING_CHECKS[name](value):
            raise _unfit(f"a spelling with {name} = {shown(value)}", where)
    lists = {name: tuple(v) for name, v in data.items() if isinstance(v, list)}
    spelling = Spelling(**{**data, **lists})
    if spelling.decimal == spelling.thousands or not _differ(spelling.order):
        raise _unfit(f"the spelling {shown(data)}", where)
    if spelling.date:
        try:
            pattern_of(spelling.date)
        except ConfigError as error:
            raise _unfit(f"the form {shown(spelling.date)} of dates", where) from error
    return spelling


def _check_names(data: Any, names: set[str], where: str) -> None:
    stored = set(data) if is_object(data) else set()
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


def _is_double(value: Any) -> bool:
    return type(value) is float and math.isfinite(value)


LABEL_CHECKS: dict[str, Check] = {
    "string": is_text,
    "bool": is_bool,
    "int64": is_int64,
    "double": _is_double,
}
"""What the labels of a target may be, by the Arrow type of its column."""


CHECKS: dict[str, Check] = {
    "columns": list_of(is_object),
    "kind": one_of(*get_args(Kind)),
    "labels": list_of(of_type(str, bool, int, float)),
    "missing": list_of(is_text),
    "missing_values": list_of(is_text),
    "num_missing": is_count,
    "num_ngrams": whole(0, MOST_NGRAMS),
    "num_rows": is_count,
    "origin": lambda value: is_int64(value) or _is_double(value),
    "parts": list_of(is_text),
    "spelling": is_object,
    "task": one_of(*get_args(Task)),
    "unit": one_of("", *UNITS_PER_S),
    "used": is_bool,
    "vocabulary": list_of(is_text),
}
"""What the entries of a stored schema may be; those not named here are texts."""


SPELLING_CHECKS: dict[str, Check] = {
    "decimal": one_of(".", ","),
    "thousands": one_of("", ",", ".", " ", "'"),
    "unit": is_text,
    "bounds": is_bool,
    "date": is_text,
    "order": list_of(is_text),
}
"""What the entries of a spelling may be."""


def _check_feature(column: Column, where: str) -> None:
    """Check that the entries by which a feature is read fit each other."""
    kind = _arrow_type(column.type, where)
    if not _differ(column.parts) or not set(column.parts) <= set(PARTS):
        raise _unfit(f"parts = {shown(column.parts)}", where)
    if column.group == "categories" and column.type == "bool":
        fits = column.vocabulary == ("false", "true")
    elif column.group == "categories":
        fits = column.type == "string" and _differ(column.vocabulary)
        fits = fits and len(column.vocabulary) <= VOCABULARY_CAP
    elif column.group == "texts":
        fits = column.kind == "text" and column.type == "string"
        fits = fits and not column.vocabulary
    elif column.group == "times":
        is_time = pa.types.is_temporal(kind) and not pa.types.is_duration(kind)
        fits = is_time and column.unit != "" and is_int64(column.origin)
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
        is_label = LABEL_CHECKS.get(target.type)
        fits = is_label is not None and all(map(is_label, labels)) and _differ(labels)
        most = 2 if target.task == "binary" else MAX_CLASSES
        fits = fits and 2 <= len(labels) <= most
    if not fits:
        what = f"labels = {shown(labels)} of the type {shown(target.type)}"
        raise _unfit(what, where)


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
