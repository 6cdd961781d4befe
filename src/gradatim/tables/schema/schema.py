"""The frozen knowledge of a table: which columns it has and how they are read.

A schema is made once, from all rows of the training file, and stored as JSON beside the
model. From then on every file and data frame is read strictly as it says.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, get_args

import pyarrow as pa
import pyarrow.compute as pc
from torch import Tensor

from gradatim.errors import SchemaError
from gradatim.tables.files.column_source import ColumnSource
from gradatim.tables.files.missing_values import MISSING_VALUES
from gradatim.tables.schema.calendar import PARTS
from gradatim.tables.schema.column_kinds import VOCABULARY_CAP
from gradatim.tables.schema.columns import Column, Kind, Label, Target, Task, arrow_type
from gradatim.tables.schema.infer_schema import Inferred, infer, stack_codes
from gradatim.tables.schema.targets import MAX_CLASSES, codes_of_target
from gradatim.tables.schema.value_notices import ValueNotices
from gradatim.tables.schema.values_to_codes import (
    UNITS_PER_S,
    codes_of_column,
    plain,
    typed,
)
from gradatim.text import listed, nearest_name, shown

__all__ = ["VERSION", "Schema"]

VERSION = 1

CHOICES: dict[str, tuple[str, ...]] = {
    "kind": get_args(Kind),
    "task": get_args(Task),
    "unit": ("", *UNITS_PER_S),
}
LISTS: dict[str, Any] = {
    "columns": dict,
    "labels": (str, bool, int, float),
    "missing_values": str,
    "parts": str,
    "vocabulary": str,
}
"""What entries of a stored schema may be; those not named here are strings."""

COUNTS = ("num_missing", "num_rows")

LABELS = {"string": str, "bool": bool, "int64": int, "double": float}
"""By the Arrow type of a target, the type of its labels."""

MOST_INT64 = 2**63 - 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Schema:
    """Columns, target and what stands for a missing value.

    >>> table = pa.table({"rooms": [2, 3, 4], "price": [1.5, 2.0, 3.5]})
    >>> schema = Schema.infer(table, target="price")
    >>> schema.target.task, [column.name for column in schema.columns]
    ('regression', ['rooms'])
    >>> Schema.from_dict(schema.to_dict()) == schema
    True
    """

    columns: tuple[Column, ...]
    """In the order of the training file, those not used included."""
    target: Target | None = None
    num_rows: int
    """Of the training file."""
    missing_values: tuple[str, ...] = MISSING_VALUES
    """What stands for a missing value in text."""

    @classmethod
    def infer(
        cls,
        table: pa.Table,
        *,
        target: str | None = None,
        task: str | None = None,
        drop: Sequence[str] = (),
        keep: Sequence[str] = (),
    ) -> "Schema":
        """Look at all rows of a table. ``column_kinds.py`` has the rules.

        Args:
            table: With all its columns, the target included.
            target: The column to predict; None only to look.
            task: ``"regression"``, ``"binary"`` or ``"classification"``; told from the
                target if None.
            drop: Names of columns not to use.
            keep: Names of columns to use in any case.

        Raises:
            DataError: No such column, no rows, a target with missing values or of one
                class, a feature that is the target, or no feature at all.
        """
        inferred = infer(
            ColumnSource.of_table(table), target=target, task=task, drop=drop, keep=keep
        )
        return cls.of(inferred)

    @classmethod
    def of(cls, inferred: Inferred) -> "Schema":
        """Freeze what the columns of a table are."""
        return cls(
            columns=tuple(inferred.columns),
            target=inferred.target,
            num_rows=inferred.num_rows,
        )

    @property
    def features(self) -> tuple[Column, ...]:
        """The columns that are used."""
        return tuple(column for column in self.columns if column.used)

    def group(self, name: str) -> tuple[Column, ...]:
        """The used columns of ``"numbers"``, ``"categories"`` or ``"times"``."""
        return tuple(column for column in self.features if column.group == name)

    @property
    def labels(self) -> tuple[Label, ...]:
        """The value of each class, in the order of their codes."""
        return self.target.labels if self.target else ()

    @property
    def types(self) -> dict[str, Any]:
        """The ``pa.DataType`` to read each feature and the target from text with."""
        types = {column.name: column.read_type for column in self.features}
        if self.target is not None:
            types[self.target.name] = self.target.read_type
        return types

    def check_names(self, names: Sequence[str]) -> tuple[str, ...]:
        """Check that all features are among ``names``; return those unknown here.

        Raises:
            SchemaError: Some are missing; with the nearest names.
        """
        absent = [c.name for c in self.features if c.name not in names]
        if absent:
            known = {column.name for column in self.columns}
            free = [name for name in names if name not in known]
            raise SchemaError(
                f"The data lacks {len(absent)} of {len(self.features)} columns: "
                f"{listed(absent, most=20)}.{nearest_name(absent[0], free)}\n"
                "The model was trained with them and cannot do without.\n"
                "Add the columns, under these names; empty values count as missing."
            )
        known = {column.name for column in self.columns}
        if self.target is not None:
            known.add(self.target.name)
        return tuple(name for name in names if name not in known)

    def encode(
        self, data: pa.Table | pa.RecordBatch
    ) -> tuple[dict[str, Tensor], ValueNotices]:
        """Turn the features of some rows into tensors.

        Columns are matched by name, in any order; those unknown are left alone.

        Returns:
            ``x``: ``"numbers"`` float32 ``(rows, numbers)`` less their origins, NaN
            where missing or infinite; ``"categories"`` int64 ``(rows, categories)``, 0
            missing, 1 unseen; ``"times"`` int64 ``(rows, times)``, units since their
            origins, ``NO_TIME`` where missing. A kind without columns has no
            tensor. And the notices of what was met.

        Raises:
            SchemaError: A column is missing, or holds values of another kind.

        >>> table = pa.table({"rooms": [2, 3], "price": [1.5, 2.0]})
        >>> schema = Schema.infer(table, target="price")
        >>> schema.encode(pa.table({"rooms": [None, 7]}))[0]
        {'numbers': tensor([[nan],
                [7.]])}
        """
        return self.encode_source(ColumnSource.of_table(_as_table(data)))

    def encode_source(
        self, source: ColumnSource, rows: pa.BooleanArray | None = None
    ) -> tuple[dict[str, Tensor], ValueNotices]:
        """Do what ``encode`` does, taking the columns one by one.

        Args:
            source: Where columns come from.
            rows: True for those to encode; all of them if None.
        """
        notices = ValueNotices(extra=self.check_names(source.names))
        codes = {}
        for column in self.features:
            values = plain(source.take(column.name))
            if rows is not None:
                values = values.filter(rows)
            values = typed(values, column)
            codes[column.name] = codes_of_column(values, column, notices)
        return stack_codes(self.features, codes), notices

    def encode_target(self, data: pa.Table | pa.RecordBatch) -> Tensor:
        """Turn the target of some rows into a tensor ``(rows,)``.

        Returns:
            float32 for regression, less ``target.origin`` (0, mostly); int64 class
            codes, which are places in ``labels``.

        Raises:
            DataError: A value is missing, or a class that training did not have.
            SchemaError: There is no such column, or it holds another kind of values.
        """
        table = _as_table(data)
        if self.target is None or self.target.name not in table.column_names:
            wanted = self.target.name if self.target else None
            raise SchemaError(
                f"The data has no target {wanted!r}."
                f"{nearest_name(wanted or '', table.column_names)}\n"
                "Without it there is nothing to compare predictions with.\n"
                "Add the column, or only predict."
            )
        return codes_of_target(plain(table[self.target.name]), self.target)

    def describe(self) -> list[tuple[str, str, str, str]]:
        """Say for each column: name, kind, what was seen, what is done with it."""
        rows: list[tuple[str, str, str, str]] = []
        if self.target is not None:
            rows.append(
                (self.target.name, "target", self.target.seen, self.target.task)
            )
        for column in self.columns:
            missing = f", {column.num_missing:,} missing" if column.num_missing else ""
            seen = f"{column.seen}{missing}".removeprefix(", ")
            use = "used" if column.used else "not used"
            why = f"{use}: {column.reason}" if column.reason else use
            rows.append((column.name, column.kind, seen, why))
        return rows

    def to_dict(self) -> dict[str, Any]:
        """Give what ``from_dict`` takes: lists, dicts, strings and numbers."""
        return {
            "version": VERSION,
            "num_rows": self.num_rows,
            "missing_values": list(self.missing_values),
            "columns": [_as_dict(column) for column in self.columns],
            "target": None if self.target is None else _as_dict(self.target),
        }

    @classmethod
    def from_dict(cls, data: Any) -> "Schema":
        """Take what ``to_dict`` gave.

        Raises:
            SchemaError: Of another version, with entries unknown or missing, or with
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
        _check_entries(data, {"version", *(f.name for f in fields(cls))}, "the schema")
        whole = {name: data[name] for name in ("num_rows", "missing_values", "columns")}
        _check_values(whole, "the schema")
        columns = tuple(
            _part(Column, column, f"column {place}")
            for place, column in enumerate(data["columns"])
        )
        target = data["target"]
        if target is not None:
            target = _part(Target, target, "the target")
        names = [part.name for part in (*columns, target) if part is not None]
        if len(set(names)) < len(names):
            raise _unfit("a name that two columns have", "its columns")
        return cls(
            columns=columns,
            target=target,
            num_rows=data["num_rows"],
            missing_values=tuple(data["missing_values"]),
        )


def _as_table(data: pa.Table | pa.RecordBatch) -> pa.Table:
    """``pa.table`` would do, but imports pandas first: 0.4 s."""
    if isinstance(data, pa.RecordBatch):
        return pa.Table.from_batches([data])
    return data


def _as_dict(part: Column | Target) -> dict[str, Any]:
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in asdict(part).items()
    }


def _part(part: Any, data: Any, where: str) -> Any:
    """Make a ``Column`` or ``Target``, every entry checked: files may be damaged."""
    _check_entries(data, {entry.name for entry in fields(part)}, where)
    _check_values(data, where)
    lists = {name: tuple(v) for name, v in data.items() if isinstance(v, list)}
    made = part(**{**data, **lists})
    if isinstance(made, Target):
        _check_target(made, where)
    elif made.used:
        _check_used(made, where)
    return made


def _check_entries(data: Any, names: set[str], where: str) -> None:
    found = set(data) if isinstance(data, Mapping) else set()
    if found != names:
        raise SchemaError(
            f"The schema has unknown entries {shown(sorted(map(str, found - names)))} "
            f"and lacks {shown(sorted(names - found))} for {where}.\n"
            "What it does not say cannot be guessed.\n"
            "Copy the whole run folder again."
        )


def _check_values(data: Mapping[str, Any], where: str) -> None:
    for name, value in data.items():
        if not _fits(name, value):
            raise _unfit(f"{name} = {shown(value)}", where)


def _unfit(what: str, where: str) -> SchemaError:
    return SchemaError(
        f"The schema has {what} for {where}.\n"
        "No schema that gradatim writes does.\n"
        "Copy the whole run folder again."
    )


def _fits(name: str, value: Any) -> bool:
    if name in CHOICES:
        return value in CHOICES[name]
    if name in LISTS:
        return isinstance(value, list) and all(
            isinstance(v, LISTS[name]) for v in value
        )
    if name == "used":
        return isinstance(value, bool)
    if name in COUNTS:
        return _is_int64(value) and value >= 0
    if name == "origin":
        return _is_int64(value) or _is_finite_float(value)
    return isinstance(value, str)


def _is_int64(value: Any) -> bool:
    return type(value) is int and -MOST_INT64 <= value <= MOST_INT64


def _is_finite_float(value: Any) -> bool:
    return type(value) is float and math.isfinite(value)


def _check_used(column: Column, where: str) -> None:
    """Check what a feature is read and encoded with."""
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
        is_right = all(
            type(label) is LABELS.get(target.type)
            and (isinstance(label, (str, bool)) or _fits("origin", label))
            for label in labels
        )
        fits = is_right and _differ(labels) and 2 <= len(labels) <= MAX_CLASSES
        fits = fits and (target.task != "binary" or len(labels) == 2)
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
            pc.local_timestamp(pa.array([0], kind))  # is there such a zone?
    except ValueError as error:
        raise SchemaError(
            f"The schema has the type {shown(text)} for {where}.\n"
            "There is no such type in Arrow, by which columns are read.\n"
            "Copy the whole run folder again."
        ) from error
    return kind
