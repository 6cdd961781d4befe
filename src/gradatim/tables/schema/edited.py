"""A JSON file with what is seen in the columns of a table, for its owner to change.

``gradatim inspect FILE --edit columns.json`` writes it, ``gradatim fit FILE --schema
columns.json`` takes it. For each column it says what the column is and what was
guessed; what differs is what the owner says. Only these differences count, so that a
column that nobody touched is read as it would be without the file.
"""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from gradatim.errors import ConfigError, DamagedError, RunError
from gradatim.store.checks import (
    Check,
    is_bool,
    is_object,
    is_text,
    list_of,
    one_of,
    optional,
)
from gradatim.store.json import parse_json, read_text, to_json
from gradatim.tables.schema.columns import Column, Task
from gradatim.tables.schema.schema import Schema
from gradatim.text import nearest_name, one_line, shown

__all__ = ["edit_text", "read_edited", "with_edited"]

KINDS = {"datetime": "date", "identifier": "id"}
"""The kinds of columns that have another name among the options."""
SAYABLE = ("number", "category", "date", "ordered", "text", "id")
HELP = (
    f"Change kind ({', '.join(SAYABLE)}), use (true or false), form (of a date such "
    "as %d.%m.%Y, of a number such as 1.234,5), order (from low to high) or missing "
    "(words that stand for a missing value). Then: gradatim fit FILE --schema "
    "THIS_FILE. What was guessed stays as it is: only what differs from it counts."
)

FIELDS: dict[str, Check] = {
    "help": is_text,
    "target": optional(is_text),
    "task": optional(one_of(*get_args(Task))),
    "columns": is_object,
}
COLUMN_FIELDS: dict[str, Check] = {
    "kind": is_text,
    "use": is_bool,
    "form": is_text,
    "order": list_of(is_text),
    "missing": list_of(is_text),
    "seen": is_text,
    "note": is_text,
    "guessed": is_object,
}


def edit_text(schema: Schema, said: Collection[str] = ()) -> str:
    """Write the columns of a table, as they were seen, for their owner to change.

    ``said`` are the names of columns of which something is said already.
    """
    columns = {}
    for column in schema.columns:
        if column.of:
            continue
        entry = _entry(column)
        guessed = {} if column.name in said else {"guessed": dict(entry)}
        notes = {"seen": column.seen, "note": column.reason}
        columns[column.name] = entry | {k: v for k, v in notes.items() if v} | guessed
    target = schema.target
    content = {
        "help": HELP,
        "target": target and target.name,
        "task": target and target.task,
        "columns": columns,
    }
    return to_json(content, indent=2) + "\n"


def _entry(column: Column) -> dict[str, Any]:
    """Give what is said of a column by the file."""
    spelling = column.spelling
    kind = KINDS.get(column.kind, column.kind)
    entry: dict[str, Any] = {"kind": kind, "use": column.used}
    if spelling is not None and spelling.order:
        entry |= {"kind": "ordered", "order": list(spelling.order)}
    elif spelling is not None and spelling.date:
        entry["form"] = spelling.date
    if column.missing:
        entry["missing"] = list(column.missing)
    return entry


def read_edited(path: str | Path) -> dict[str, Any]:
    """Read such a file: give the arguments of ``read_table`` that it stands for.

    Raises:
        ConfigError: It is no such file, or says what cannot be.
    """
    path = Path(path)
    try:
        data = parse_json(read_text(path), str(path))
    except (DamagedError, RunError) as error:
        raise ConfigError(
            f"{path} cannot be read: {one_line(error)}\n"
            "It should say what the columns of a table are.\n"
            f"Write it anew: gradatim inspect FILE --edit {path}"
        ) from error
    _check(data, FIELDS, {"columns"}, f"{path}")
    found: dict[str, Any] = {"drop": [], "keep": []}
    if data.get("target"):
        found["target"] = data["target"]
        found["task"] = data.get("task")
    for name, entry in data["columns"].items():
        where = f"{path}, column {name!r}"
        _check(entry, COLUMN_FIELDS, {"kind"}, where)
        _add(found, name, entry, where)
    return {key: value for key, value in found.items() if value}


def _check(
    data: Any, fields: Mapping[str, Check], needed: set[str], where: str
) -> None:
    what, instead = "", "Leave it out, or write it as gradatim inspect --edit does."
    if not is_object(data):
        what = f"has {shown(data)} where an object in braces should be"
    elif unknown := [key for key in data if key not in fields]:
        what = f"has the unknown entry {shown(unknown[0])}"
        what += (
            nearest_name(str(unknown[0]), fields).rstrip("?").replace(" Did", "; did")
        )
    elif absent := sorted(needed - set(data)):
        what = f"lacks the entry {absent[0]!r}"
        instead = "Add it as gradatim inspect --edit writes it."
    elif wrong := [key for key, value in data.items() if not fields[key](value)]:
        what = f"has {wrong[0]} = {shown(data[wrong[0]])}, which cannot be"
    if what:
        raise ConfigError(
            f"{where} {what}.\nThe columns would be read otherwise than is meant.\n"
            f"{instead}"
        )


def _add(found: dict[str, Any], name: str, entry: dict[str, Any], where: str) -> None:
    """Add what is said of one column to the arguments."""
    guessed, kind = entry.get("guessed", {}), entry["kind"]
    more = entry.get("form", "")
    if kind == "ordered":
        more = ",".join(entry.get("order", []))
    differs = any(
        entry.get(key) != guessed.get(key) for key in ("kind", "form", "order")
    )
    if differs and kind not in SAYABLE:
        if kind == guessed.get("kind", kind):
            differs = False  # such as a constant, of which something else was said
        else:
            raise ConfigError(
                f"{where} has kind = {shown(kind)}.\n"
                "A column is read as what it is said to be.\n"
                f"Take one of {', '.join(SAYABLE)}.{nearest_name(kind, SAYABLE)}"
            )
    if differs:
        found.setdefault(kind, {})[name] = more or None
    if entry.get("missing"):
        found.setdefault("missing", {})[name] = list(entry["missing"])
    is_used = entry.get("use", True)
    was_used, is_changed = guessed.get("use"), differs and kind != "text"
    if not is_used and kind != "id" and (was_used or is_changed):
        found["drop"].append(name)
    if is_used and was_used is False and not differs:
        if kind == "text":
            found.setdefault(kind, {})[name] = None
        else:
            found["keep"].append(name)


def with_edited(path: str | Path, asked: dict[str, Any]) -> dict[str, Any]:
    """Add what a file says of columns to what was asked for, which goes before it."""
    joined = dict(asked)
    for name, said in read_edited(path).items():
        given = joined.get(name)
        if name in ("target", "task"):
            is_other = name == "task" and asked.get("target") not in (
                None,
                joined["target"],
            )
            joined[name] = given if given is not None or is_other else said
        elif isinstance(said, dict):
            joined[name] = [*(given or ()), *_written(said)]
        else:
            joined[name] = [*dict.fromkeys([*(given or ()), *said])]
    return joined


def _written(said: dict[str, Any]) -> Iterator[str]:
    """Write what is said of columns as it is given on the command line."""
    for name, more in said.items():
        for each in more if isinstance(more, list) else [more]:
            yield f"{name}={each}" if each else name
