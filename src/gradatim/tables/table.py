"""A table as tensors, with the schema that says what they hold."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from jaxtyping import Int64, Shaped
from torch import Tensor

from gradatim.errors import SchemaError
from gradatim.tables.files.arrow import numpy_of
from gradatim.tables.files.column_source import ColumnSource
from gradatim.tables.files.data_file import DataFile
from gradatim.tables.files.formats import open_file
from gradatim.tables.files.frames import column_name, source_of_frame
from gradatim.tables.files.reading import Reading
from gradatim.tables.schema.choices import ColumnChoices, Said
from gradatim.tables.schema.columns import Column
from gradatim.tables.schema.infer_schema import infer, stack_codes
from gradatim.tables.schema.row_keys import (
    RowKeys,
    keys_of_groups,
    keys_of_times,
    weights_of_rows,
)
from gradatim.tables.schema.schema import Schema
from gradatim.tables.schema.targets import codes_of_target, take_target
from gradatim.tables.schema.typed_values import plain, typed
from gradatim.tables.schema.value_notices import ValueNotices
from gradatim.text import nearest_name

__all__ = ["Table", "inspect_table", "open_as", "read_table"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """Rows as tensors of codes. ``Schema.encode`` says what the tensors hold."""

    schema: Schema
    x: dict[str, Tensor]
    """``"numbers"``, ``"categories"``, ``"times"``, ``"texts"``: the tensors that the
    schema has."""
    y: Shaped[Tensor, " rows"] | None = None
    """float32 for regression (less ``schema.target.origin``), int64 class codes."""
    notices: ValueNotices = field(default_factory=ValueNotices)
    num_dropped: int = 0
    """How many rows were left out because they have no target."""
    rows: Int64[Tensor, " rows"] | None = None
    """The numbers of the rows in the source, from 0, where these are not all rows."""
    unused: dict[str, npt.NDArray[Any]] = field(default_factory=dict)
    """Of a table that was read without a schema: values of columns that are no
    features, by which ``split_doubts`` may find rows that belong together."""
    texts: dict[str, pa.Array] = field(default_factory=dict)
    """The values of columns that are no features, and of which ``plan_table`` decides
    whether they are read as text."""
    time: RowKeys | None = None
    """What puts the rows in order, if they are to be split by time."""
    group: RowKeys | None = None
    """Which rows belong together, if they are to be split by group."""
    weight: RowKeys | None = None
    """What each row counts; all count the same if it is None."""

    @property
    def num_rows(self) -> int:
        """How many rows every tensor has."""
        return len(next(iter(self.x.values())))

    @property
    def row_numbers(self) -> Int64[Tensor, " rows"]:
        """The number of each row in the source, counted from 0."""
        return torch.arange(self.num_rows) if self.rows is None else self.rows

    def __len__(self) -> int:
        return self.num_rows

    def as_batch(self) -> Any:
        """Give ``(x, y)``, or ``x`` without a target, as ``Batches`` takes it."""
        return self.x if self.y is None else (self.x, self.y)

    def select(self, rows: Int64[Tensor, " some"]) -> "Table":
        """Take the rows with the numbers ``rows``, in this order.

        >>> import pyarrow as pa, torch
        >>> data = pa.table({"a": [1, 2, 4], "b": [.5, .6, .8]})
        >>> table = read_table(data, target="b")
        >>> table.select(torch.tensor([2, 0])).x["numbers"]
        tensor([[4.],
                [1.]])
        """
        x = {name: values[rows] for name, values in self.x.items()}
        y = None if self.y is None else self.y[rows]
        return Table(
            schema=self.schema,
            x=x,
            y=y,
            notices=self.notices,
            rows=rows if self.rows is None else self.rows[rows],
            time=self.time and self.time.select(rows),
            group=self.group and self.group.select(rows),
            weight=self.weight and self.weight.select(rows),
        )


def read_table(
    source: Any,
    *,
    target: Hashable | None = None,
    task: str | None = None,
    drop: Sequence[Hashable] = (),
    keep: Sequence[Hashable] = (),
    schema: Schema | None = None,
    drop_missing_target: bool = False,
    time: Hashable | None = None,
    group: Hashable | None = None,
    weight: Hashable | None = None,
    tried: Sequence[str] = (),
    category: Said = (),
    number: Said = (),
    date: Said = (),
    text: Said = (),
    id: Said = (),
    ordered: Said = (),
    missing: Said = (),
    sheet: str | None = None,
    encoding: str | None = None,
    skip_bad_lines: bool | None = None,
    no_header: bool | None = None,
) -> Table:
    """Read a file or a data frame into tensors.

    Without ``schema`` one is inferred from all rows, as ``Schema.infer`` says. With it
    the data is read strictly as the schema has it; ``y`` is None where the target is
    not among the columns.

    Args:
        source: The path of a CSV, TSV or Parquet file, or of a folder, or a pattern
            such as ``months/*.csv``, for several; a table of pandas (whose index
            is no column), polars, pyarrow or duckdb; a dict of columns; a list of
            dicts; or a NumPy array whose fields have names.
        target: The column to predict. Names of pandas that are no text, such as 1 or
            ("a", "x"), are given as they are; in the schema they are texts.
        task: ``"regression"``, ``"binary"`` or ``"classification"``; if None, the
            target's values decide.
        drop: Names of columns not to use.
        keep: Names of columns to use in any case.
        schema: The training file's schema; it takes the place of the four above.
        drop_missing_target: Leave rows without a target out, instead of refusing them.
        time: The column of dates or numbers by which the rows will be split: trained on
            the past, scored on what comes last.
        group: The column by which the rows will be split so that the rows of a value,
            such as a patient, stay together. It is no feature unless kept by name.
        weight: The column that says what each row counts, such as how many people it
            stands for. It is no feature unless kept by name.
        tried: With ``schema``: its columns that may yet be read as text, which are
            those of ``texts`` of the table that it is of.
        category: Names of columns whose values are names, though they look like
            numbers.
        number: Names of columns of numbers, or ``NAME=EXAMPLE`` where the example shows
            decimal mark and thousands: ``price=1.234,5``.
        date: Names of columns of dates, or ``NAME=FORM`` with a form of ``strptime``:
            ``sold=%d.%m.%Y``. ``%q`` is a quarter.
        text: Names of columns of text that is to be read, as words and n-grams. Others
            are tried when the training is planned.
        id: Names of columns that say which row it is, and are not used.
        ordered: ``NAME=low,mid,high`` for columns whose words have an order.
        missing: Words that stand for a missing value, or ``NAME=WORD`` for those that
            do so in one column. These seven may be mappings from names, too.
        sheet: The sheet of an Excel workbook. With ``schema`` it and the next
            three take the place of those of the training file.
        encoding: The encoding of a text file, such as ``"cp1252"``.
        skip_bad_lines: Leave out lines of a text file that repeat the header, have
            another number of fields, or are a total of those above; a notice names
            them. Otherwise they are refused.
        no_header: The first line of a text file is a row; the columns are named
            ``column_1``, ``column_2`` and so on.

    Raises:
        FileReadError: The file is missing or damaged.
        DataError: The rows cannot be learned from.
        SchemaError: The data is not what ``schema`` has.

    >>> import pyarrow as pa
    >>> table = read_table(pa.table({"x": [1, 2, 3], "y": ["a", "b", "a"]}), target="y")
    >>> table.x["numbers"].shape, table.y, table.schema.labels
    (torch.Size([3, 1]), tensor([0, 1, 0]), ('a', 'b'))
    """
    target_, time_, group_ = map(_name, (target, time, group))
    how: dict[str, Any] = {
        "sheet": sheet,
        "encoding": encoding,
        "skip_bad_lines": skip_bad_lines,
        "no_header": no_header,
    }
    weight_ = _name(weight)
    if schema is not None:
        keys = {"time": time_, "group": group_, "weight": weight_}
        return _read_as(
            source,
            schema,
            drop_missing_target,
            keys,
            tried,
            how,
        )
    said = {
        "category": category,
        "number": number,
        "date": date,
        "text": text,
        "id": id,
        "ordered": ordered,
        "missing": missing,
    }
    doubles = [name for name in (target_, time_, group_, weight_) if name]
    reading = Reading(**how)
    columns = _open(source, doubles, said, reading)
    inferred = infer(
        columns,
        target=target_,
        task=task,
        drop=_names(drop),
        keep=_names(keep),
        drop_missing_target=drop_missing_target,
        time=time_,
        group=group_,
        weight=weight_,
        said=said,
    )
    schema = replace(Schema.of(inferred), reading=reading)
    return Table(
        schema=schema,
        x=stack_codes(schema.features, inferred.codes),
        y=inferred.y,
        notices=inferred.notices,
        num_dropped=columns.num_rows - inferred.num_rows,
        rows=_numbers(inferred.rows),
        texts=inferred.texts,
        unused=inferred.unused,
        time=inferred.time,
        group=inferred.group,
        weight=inferred.weight,
    )


def inspect_table(
    source: Any,
    *,
    target: Hashable | None = None,
    drop: Sequence[Hashable] = (),
    keep: Sequence[Hashable] = (),
    sheet: str | None = None,
    encoding: str | None = None,
    skip_bad_lines: bool | None = None,
    no_header: bool | None = None,
    **said: Said,
) -> tuple[Schema, ValueNotices]:
    """Say what is seen in the columns of a file or a data frame, before any training.

    The arguments are those of :func:`read_table`. Without a target, a column that
    cannot be used before more is said of it is no error.
    """
    name = _name(target)
    reading = Reading(sheet=sheet, encoding=encoding, skip_bad_lines=skip_bad_lines)
    opened = _open(source, [name] if name else [], said, reading)
    left_out, kept = _names(drop), _names(keep)
    inferred = infer(
        opened, target=name, task=None, drop=left_out, keep=kept, said=said
    )
    columns = tuple(
        replace(column, reason=f"{column.reason}; fit uses it where it helps")
        if column.name in inferred.texts
        else column
        for column in inferred.columns
    )
    return replace(Schema.of(inferred), columns=columns), inferred.notices


def _name(name: Hashable | None) -> str | None:
    return None if name is None else column_name(name)


def _names(names: Sequence[Hashable]) -> list[str]:
    return list(map(column_name, [names] if isinstance(names, str) else names))


def _read_as(
    source: Any,
    schema: Schema,
    drop_missing_target: bool,
    keys: Mapping[str, str | None],
    tried: Sequence[str],
    given: Mapping[str, Any],
) -> Table:
    """Read strictly; ``keys`` are the columns of ``time``, ``group`` and ``weight``."""
    key_columns = {name: schema.column(name) for name in keys.values() if name}
    texts = {name: schema.column(name) for name in tried}
    columns = _open_as(source, schema, key_columns, texts, given)
    for name in key_columns:
        if name not in columns.names:
            raise SchemaError(
                f"The data has no column {name!r}.{nearest_name(name, columns.names)}\n"
                "The rows are to be split or weighed by it.\n"
                "Add the column, under this name."
            )
    target, y, rows = schema.target, None, None
    if target is not None and target.name in columns.names:
        values, rows = take_target(columns, target, drop_missing_target)
        y = codes_of_target(values, target)
    columns = columns.keeping(list(key_columns))
    x, notices = schema.encode_source(columns, rows)
    table = Table(schema=schema, x=x, y=y, notices=notices)
    table = replace(
        table, num_dropped=columns.num_rows - len(table), rows=_numbers(rows)
    )
    for name, column in texts.items():
        if name not in columns.names:
            raise SchemaError(
                f"The data has no column {name!r}.{nearest_name(name, columns.names)}\n"
                "It is to be tried whether it helps as text.\n"
                f"Add the column, or leave it out: --drop {name}."
            )
        values = typed(plain(columns.take(name)), column)
        table.texts[name] = values if rows is None else values.filter(rows)
    for name, column in key_columns.items():
        values = plain(columns.take(name))
        values = values if rows is None else values.filter(rows)
        if name == keys["time"]:
            table = replace(table, time=keys_of_times(values, column))
        if name == keys["group"]:
            table = replace(table, group=keys_of_groups(name, values))
        if name == keys["weight"]:
            table = replace(table, weight=weights_of_rows(values, column))
    return table


def _numbers(rows: pa.BooleanArray | None) -> Tensor | None:
    """Give the numbers of the rows that were taken, if not all were."""
    return None if rows is None else torch.from_numpy(np.flatnonzero(numpy_of(rows)))


def _open(
    source: Any, doubles: Sequence[str], said: Mapping[str, Said], reading: Reading
) -> ColumnSource:
    if not isinstance(source, str | Path):
        return source_of_frame(source)
    file = open_file(source, reading=reading)
    texts = ColumnChoices.of(file.names, said).as_texts
    return file.source(doubles=doubles, texts=texts)


def open_as(source: str | Path, schema: Schema, given: Mapping[str, Any]) -> DataFile:
    """Open a file as a schema's was; what is ``given`` is said of this very file."""
    reading = schema.reading.but(**given)
    asked = [name for name, value in given.items() if value not in (None, False)]
    missing = schema.missing_values
    return open_file(source, missing=missing, reading=reading, asked=asked)


def _open_as(
    source: Any,
    schema: Schema,
    keys: Mapping[str, Column],
    texts: Mapping[str, Column],
    given: Mapping[str, Any],
) -> ColumnSource:
    if not isinstance(source, str | Path):
        return source_of_frame(source)
    file = open_as(source, schema, given)
    extra = schema.check_names(file.names)
    doubles = [column.name for column in schema.group("numbers") if column.origin]
    doubles += keys
    if schema.target is not None:
        doubles.append(schema.target.name)
    types = {c.name: c.read_type for c in (*keys.values(), *texts.values())}
    columns = file.source(types | schema.types, doubles=doubles)
    return replace(columns, names=tuple(dict.fromkeys((*columns.names, *extra))))
