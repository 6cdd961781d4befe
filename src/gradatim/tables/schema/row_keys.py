"""What the rows of a table are split or weighed by: a number for each row.

These keys say which rows are trained on and which are scored. They are no features: the
column that they come from may be one beside that.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from jaxtyping import Int64, Shaped
from torch import Tensor

from gradatim.errors import DataError
from gradatim.tables.files.arrow import array_of, numpy_of
from gradatim.tables.schema.columns import Column
from gradatim.tables.schema.typed_values import places, stands_for_missing, typed
from gradatim.tables.schema.values_to_codes import ticks

__all__ = ["NO_GROUP", "RowKeys", "keys_of_groups", "keys_of_times", "weights_of_rows"]

NO_GROUP = -1
"""The key of rows that have no group. They stay together, as nobody knows whether two
of them belong to one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RowKeys:
    """A key for each row of a table, made of one of its columns."""

    name: str
    """The name of the column."""
    values: Shaped[Tensor, " rows"]
    """For times numbers that sort as they do; for groups int64, the same in each row of
    one group."""
    words: Any = None
    """For groups the Arrow array of what they are called: key 3 has the word at 3."""

    def select(self, rows: Int64[Tensor, " some"]) -> "RowKeys":
        """Take the keys of some rows."""
        return replace(self, values=self.values[rows])

    def names(self) -> pa.Array:
        """Give what the groups of these rows are called, each once, as texts."""
        keys = self.values.unique()
        places = array_of(keys[keys != NO_GROUP].numpy(), pa.int64())
        return self.words.take(places).cast(pa.string())


def keys_of_times(values: pa.Array, column: Column) -> RowKeys:
    """Turn the plain values of a column into numbers that sort as times do.

    Raises:
        DataError: The column holds neither dates nor numbers, or a row has none.

    >>> from gradatim.tables.schema.column_kinds import column_of
    >>> years = pa.array([2023, 2021])
    >>> keys_of_times(years, column_of("year", years, keep=True)).values
    tensor([2023, 2021])
    """
    name = column.name
    if not _has_order(column):
        raise DataError(
            f"The column {name!r} holds {column.seen or column.type}: neither dates "
            "nor numbers.\n"
            "Rows can be put in order by a time alone.\n"
            "Name a column of dates (as YYYY-MM-DD) or of numbers with --time."
        )
    values = typed(values, column)
    if pa.types.is_temporal(values.type):
        values = ticks(values, column)
    is_known = numpy_of(values.is_valid())
    if pa.types.is_floating(values.type):
        is_known = is_known & np.isfinite(numpy_of(values))
    if not is_known.all():
        absent = np.flatnonzero(~is_known)
        rows = ", ".join(str(row + 1) for row in absent[:5])
        more = ", ..." if len(absent) > 5 else ""
        raise DataError(
            f"The column {name!r} has no time in {len(absent):,} of {len(values):,} "
            f"rows (rows {rows}{more}, counted "
            "without the header).\n"
            "Such rows are neither before nor after the others.\n"
            "Fill the times in, or leave these rows out."
        )
    return RowKeys(name=name, values=torch.from_numpy(numpy_of(values).copy()))


def _has_order(column: Column) -> bool:
    is_number = column.type in ("double", "int64") and not column.vocabulary
    return is_number or column.unit != ""


def weights_of_rows(values: pa.Array, column: Column) -> RowKeys:
    """Turn the plain values of a column into what each row counts, in float64.

    Raises:
        DataError: A value is no number, missing, negative or infinite, or all are 0.
    """
    name = column.name
    if column.type not in ("double", "int64") or column.vocabulary:
        raise DataError(
            f"The column {name!r} holds {column.seen or column.type}, no numbers.\n"
            "What a row counts is a number.\n"
            "Name a column of numbers with --weight."
        )
    typed_values = typed(values, column)
    weights = numpy_of(typed_values).astype(np.float64)
    wrong = np.flatnonzero(~((weights >= 0) & np.isfinite(weights)))
    if len(wrong):
        rows = ", ".join(str(row + 1) for row in wrong[:5])
        more = ", ..." if len(wrong) > 5 else ""
        raise DataError(
            f"The weight {name!r} is missing, negative or infinite in {len(wrong):,} "
            f"of {len(weights):,} rows (rows {rows}{more}, counted "
            "without the header).\n"
            "A row counts 0 or more.\n"
            "Fill the weights in, or leave these rows out."
        )
    if not weights.any():
        raise DataError(
            f"The weight {name!r} is 0 in all {len(weights):,} rows.\n"
            "Then there is nothing to learn from.\nName another column with --weight."
        )
    return RowKeys(name=name, values=torch.from_numpy(weights.copy()))


def keys_of_groups(name: str, values: pa.Array) -> RowKeys:
    """Turn the plain values of a column into a whole number for each group.

    >>> who = pa.array(["b", None, "a", "b"]).dictionary_encode()
    >>> keys_of_groups("who", who).values
    tensor([ 0, -1,  1,  0])
    """
    if not pa.types.is_dictionary(values.type):
        if pa.types.is_floating(values.type):  # NaN is no group, and none like another
            values = pc.if_else(pc.is_nan(values), None, values)
        values = values.dictionary_encode()
    words: Any = values.dictionary
    keys = np.arange(len(words) + 1)
    keys[-1] = NO_GROUP
    if pa.types.is_string(words.type):
        keys[:-1][numpy_of(stands_for_missing(words))] = NO_GROUP
    of_rows = torch.from_numpy(keys[places(values)])
    return RowKeys(name=name, values=of_rows, words=words)
