"""The frozen knowledge of a table: which columns it has and how they are read.

A schema is made once, from all rows of the training file, and stored as JSON beside the
model. From then on every file and data frame is read strictly as it says.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from torch import Tensor

from gradatim.errors import SchemaError
from gradatim.tables.files.arrow import numpy_of
from gradatim.tables.files.column_source import ColumnSource
from gradatim.tables.files.data_file import MISSING_VALUES
from gradatim.tables.files.reading import Reading
from gradatim.tables.schema.columns import Column, Label, Target
from gradatim.tables.schema.infer_schema import Inferred, infer, stack_codes
from gradatim.tables.schema.spelling import Spelling
from gradatim.tables.schema.stored import LATER_ENTRIES, VERSION, read_stored
from gradatim.tables.schema.targets import codes_of_target
from gradatim.tables.schema.typed_values import plain, plain_and_typed
from gradatim.tables.schema.value_notices import ValueNotices
from gradatim.tables.schema.values_to_codes import codes_of_column
from gradatim.text import listed, nearest_name

__all__ = ["Schema"]


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
    """All columns in the order of the training file, also those that are not used."""
    target: Target | None = None
    num_rows: int
    """How many rows the training file had."""
    missing_values: tuple[str, ...] = MISSING_VALUES
    """The texts that stand for a missing value."""
    reading: Reading = Reading()  # noqa: RUF009, it is frozen
    """What was said of how the training file is read."""

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

        The table has all its columns, the target included; ``target`` is None only to
        look. The options are those of ``read_table``.

        Raises:
            DataError: No such column, no rows, a target with missing values or of one
                class, a feature that is the target, or no feature at all.
        """
        source = ColumnSource.of_table(table)
        return cls.of(infer(source, target=target, task=task, drop=drop, keep=keep))

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

    @property
    def read_features(self) -> tuple[Column, ...]:
        """The features that a file holds itself: not those made of another one."""
        return tuple(column for column in self.features if not column.of)

    def group(self, name: str) -> tuple[Column, ...]:
        """The used columns of a group: numbers, categories, times or texts."""
        return tuple(column for column in self.features if column.group == name)

    def column(self, name: str) -> Column:
        """Give the column of a name, used or not.

        Raises:
            SchemaError: There is none.
        """
        for column in self.columns:
            if column.name == name:
                return column
        names = [column.name for column in self.columns]
        raise SchemaError(
            f"The schema has no column {name!r}.{nearest_name(name, names)}\n"
            "The training file did not have it.\nName one that it had."
        )

    @property
    def labels(self) -> tuple[Label, ...]:
        """The value of each class, in the order of their codes."""
        return self.target.labels if self.target else ()

    @property
    def types(self) -> dict[str, Any]:
        """The ``pa.DataType`` to read each feature and the target from text with."""
        types = {column.name: column.read_type for column in self.read_features}
        if self.target is not None:
            types[self.target.name] = self.target.read_type
        return types

    def check_names(self, names: Sequence[str]) -> tuple[str, ...]:
        """Check that all features are among ``names``; give the names unknown here.

        Raises:
            SchemaError: Some are missing; with the nearest names.
        """
        known = {column.name for column in self.columns}
        free = [name for name in names if name not in known]
        if absent := [c.name for c in self.read_features if c.name not in names]:
            raise SchemaError(
                f"The data lacks {len(absent)} of {len(self.read_features)} columns: "
                f"{listed(absent, most=20)}.{nearest_name(absent[0], free)}\n"
                "The model was trained with them and cannot do without.\n"
                "Add the columns, under these names; empty values count as missing."
            )
        target = self.target and self.target.name
        return tuple(name for name in free if name != target)

    def encode(
        self, data: pa.Table | pa.RecordBatch
    ) -> tuple[dict[str, Tensor], ValueNotices]:
        """Turn the features of some rows into tensors.

        Columns are matched by name, in any order; those unknown are left alone.

        Returns:
            ``x``: ``"numbers"`` float32 ``(rows, numbers)`` less their origins, NaN
            where missing or infinite; ``"categories"`` int64 ``(rows, categories)``, 0
            missing, 1 unseen; ``"times"`` int64 ``(rows, times)``, units since their
            origins, ``NO_TIME`` where missing; ``"texts"`` int16 ``(rows, n-grams of
            all columns)``, 0 where a text has no more. A kind without columns has no
            tensor. And the notices: what was unusual among the values.

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
        """Do what ``encode`` does, taking the features one by one.

        ``rows`` is True for the rows to take; all of them are taken if it is None.
        """
        extra = self.check_names(source.names)
        notices = ValueNotices(extra=extra, where=source.where)
        notices.of_file = source.notes
        source = source.keeping([column.of for column in self.features if column.of])
        codes = {}
        for column in self.features:
            taken = source.take(column.of or column.name)
            if rows is not None:
                taken = taken.filter(rows)
            values = plain_and_typed(taken, column, notices)
            codes[column.name] = codes_of_column(values, column, notices)
        if rows is not None:
            notices.renumber(np.flatnonzero(numpy_of(rows)))
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
        """Give for each column name, kind, values seen, and what is done with it."""
        rows: list[tuple[str, str, str, str]] = []
        if (target := self.target) is not None:
            task = f"{target.task}: {target.reason}" if target.reason else target.task
            rows.append((target.name, "target", target.seen, task))
        for column in self.columns:
            missing = f", {column.num_missing:,} missing" if column.num_missing else ""
            seen = f"{column.seen}{missing}".removeprefix(", ")
            use = "used" if column.used else "not used"
            why = f"{use}: {column.reason}" if column.reason else use
            rows.append((column.name, column.kind, seen, why))
        return rows

    def to_dict(self) -> dict[str, Any]:
        """Give what ``from_dict`` takes: lists, dicts, strings and numbers."""
        reading = self.reading.to_dict()
        return {
            "version": VERSION,
            "num_rows": self.num_rows,
            "missing_values": list(self.missing_values),
            "columns": [_entries(column) for column in self.columns],
            "target": None if self.target is None else _entries(self.target),
            **({"reading": reading} if reading else {}),
        }

    @classmethod
    def from_dict(cls, data: Any) -> "Schema":
        """Take what ``to_dict`` gave.

        Raises:
            SchemaError: The version is another one, entries are unknown or missing, or
                have values that no schema has.
        """
        return cls(**read_stored(data))


def _entries(part: Column | Target) -> dict[str, Any]:
    """Give what is stored: entries of later versions only where they say something."""
    later, plain = LATER_ENTRIES[type(part)], asdict(Spelling())
    entries: dict[str, Any] = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in asdict(part).items()
        if name not in later or value not in (None, (), "", 0)
    }
    if "spelling" in entries:
        entries["spelling"] = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in entries["spelling"].items()
            if value != plain[name]
        }
    return entries


def _as_table(data: pa.Table | pa.RecordBatch) -> pa.Table:
    """``pa.table`` would do, but imports pandas first: 0.4 s."""
    if isinstance(data, pa.RecordBatch):
        return pa.Table.from_batches([data])
    return data
