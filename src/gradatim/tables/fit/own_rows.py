"""Rows to validate with, or to test on, that come in a table of their own."""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gradatim.tables.fit.split_table import Rows
from gradatim.tables.schema.row_keys import RowKeys
from gradatim.tables.table import Table

__all__ = ["with_own_rows"]

TIMES_AS_MANY = 2
"""Rows of few categories are equal by chance. It is told where the share of rows that
stand in the other table, too, is more than so many times as large as the share of
rows that are in one table twice. Chosen by hand, not measured."""


def with_own_rows(
    table: Table, rows: Rows, *, val: Table | None, test: Table | None
) -> tuple[Table, Rows, list[str]]:
    """Put the rows of all tables into one; give it, its parts, and what to tell.

    ``rows`` are those of ``table``. The other tables were read with its schema.
    """
    parts, notices, joined = rows._asdict(), [], [table]
    start = len(table)
    for name, other in (("val", val), ("test", test)):
        if other is None:
            continue
        parts[name] = torch.arange(start, start + len(other))
        start += len(other)
        joined.append(other)
        notices += _rows_in_both(table, other, name)
        notices += [f"{name}: {line}" for line in other.notices.lines()]
    x = {name: torch.cat([each.x[name] for each in joined]) for name in table.x}
    assert all(each.y is not None for each in joined)
    y = torch.cat([each.y for each in joined if each.y is not None])
    numbers = torch.cat([each.row_numbers for each in joined])
    weight = table.weight
    if weight is not None:
        counts = [each.weight.values for each in joined if each.weight is not None]
        weight = RowKeys(name=weight.name, values=torch.cat(counts))
    # Groups and times of several tables cannot be compared: they were split by before.
    whole = replace(table, x=x, y=y, rows=numbers, time=None, group=None, unused={})
    whole = replace(whole, weight=weight)
    return whole, Rows(**parts), notices


def _rows_in_both(table: Table, other: Table, name: str) -> list[str]:
    """Say how many rows of ``other`` stand in ``table``, too."""
    seen, asked = _as_bytes(table), _as_bytes(other)
    num_in_both = int(np.isin(asked, seen).sum())
    share_twice = 1 - len(np.unique(seen)) / len(seen)
    if num_in_both <= TIMES_AS_MANY * share_twice * len(asked):
        return []
    use = "chosen by" if name == "val" else "scored on"
    return [
        f"{num_in_both:,} of {len(asked):,} rows to be {use} (--{name}) stand among "
        "the rows to train on, too, with the same target: the scores of these are of "
        "rows that were seen. Leave them out of one of the two"
    ]


def _as_bytes(table: Table) -> npt.NDArray[Any]:
    """Give each row's codes and target as one value that can be compared."""
    assert table.y is not None
    columns = [*table.x.values(), table.y[:, None]]
    parts = [_bytes_of(values) for values in columns]
    rows = np.ascontiguousarray(np.concatenate(parts, axis=1))
    return rows.view(f"V{rows.shape[1]}")[:, 0]


def _bytes_of(values: Tensor) -> npt.NDArray[np.uint8]:
    array = np.ascontiguousarray(values.numpy())
    if array.dtype.kind == "f":
        array = np.where(np.isnan(array), np.float32(np.nan), array + np.float32(0))
    return array.view(np.uint8)
