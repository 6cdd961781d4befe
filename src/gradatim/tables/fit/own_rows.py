"""Rows to validate with, or to test on, that come in a table of their own."""

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from gradatim.errors import DataError
from gradatim.tables.fit.split_table import Rows
from gradatim.tables.schema.row_keys import RowKeys
from gradatim.tables.table import Table
from gradatim.text import shown

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

    Raises:
        DataError: The rows were to be split by group or by time, and one of the other
            tables has groups of this one, or is no later.
    """
    parts, notices, joined = rows._asdict(), [], [table]
    _check_groups(table, val, test)
    _check_times(table, rows, val, test)
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
    whole = replace(table, x=x, y=y, rows=numbers, time=None, group=None, unused={})
    texts = {
        name: pa.chunked_array(
            [each.texts[name].cast(pa.string()) for each in joined]
        ).combine_chunks()
        for name in table.texts
    }
    whole = replace(whole, weight=weight, texts=texts)
    return whole, Rows(**parts), notices


def _check_groups(table: Table, val: Table | None, test: Table | None) -> None:
    """Refuse a group that has rows in two of the tables."""
    tables = [("to train on", table), ("of --val", val), ("of --test", test)]
    given = [(name, t.group) for name, t in tables if t is not None and t.group]
    for (one, first), (other, second) in itertools.combinations(given, 2):
        names = second.names()
        is_shared = pc.is_in(names, value_set=first.names())
        if num_shared := pc.sum(is_shared).as_py():
            example = shown(names.filter(is_shared)[0].as_py())
            raise DataError(
                f"{num_shared:,} of the {len(names):,} groups of {second.name!r} "
                f"{other} have rows {one}, too, such as {example}.\n"
                "With --group, no group is on two sides: scores are of new ones.\n"
                "Leave these groups out of one of the tables, or leave out --group: "
                "then the tables are taken as they are."
            )


def _check_times(
    table: Table, rows: Rows, val: Table | None, test: Table | None
) -> None:
    """Refuse rows that are no later than those that come before them."""
    if table.time is None:
        return
    before = [table.time.values[rows.train]]
    for name, other, own in (("val", val, rows.val), ("test", test, rows.test)):
        values = table.time.values[own]
        if other is not None and other.time is not None:
            values = other.time.values
            num_early = int((values <= torch.cat(before).max()).sum())
            if num_early:
                raise DataError(
                    f"{num_early:,} of {len(values):,} rows of --{name} are no later "
                    f"than the rows before them, by {table.time.name!r}.\n"
                    "With --time, scores are of what comes after all that was learned "
                    "from.\n"
                    "Leave these rows out of one of the tables, or leave out --time: "
                    "then the tables are taken as they are."
                )
        before.append(values)


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
