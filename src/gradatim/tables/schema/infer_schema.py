"""From a table to what its columns are: which are features, and why others are not.

A column is looked at and encoded in one go, and then let go: a table in memory twice
is the exception, not the rule.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
import torch
from jaxtyping import Shaped
from torch import Tensor

from gradatim.errors import DataError
from gradatim.tables.files.column_source import ColumnSource
from gradatim.tables.schema.column_kinds import column_of
from gradatim.tables.schema.columns import Column, Target
from gradatim.tables.schema.targets import codes_of_target, target_of, usable_rows
from gradatim.tables.schema.value_notices import ValueNotices
from gradatim.tables.schema.values_to_codes import codes_of_column, plain, typed
from gradatim.text import listed, nearest_name

__all__ = ["Inferred", "check_column", "infer", "stacked"]


@dataclass(kw_only=True, slots=True)
class Inferred:
    """What a table was found to be, and its rows as tensors."""

    columns: list[Column] = field(default_factory=list)
    encoded: dict[str, Tensor] = field(default_factory=dict)
    """The tensor of each used column."""
    alike: dict[tuple[Any, ...], list[str]] = field(default_factory=dict)
    """Names of the used columns by what they must share to be the same."""
    target: Target | None = None
    y: Tensor | None = None
    num_rows: int
    """Those left out not counted."""
    notices: ValueNotices = field(default_factory=ValueNotices)


def infer(
    source: ColumnSource,
    *,
    target: str | None,
    task: str | None,
    drop: Sequence[str],
    keep: Sequence[str],
    drop_missing_target: bool = False,
) -> Inferred:
    """Say what the columns of a table are, and encode its rows accordingly.

    Raises:
        DataError: No such column, nothing to learn from, or a feature that is the
            target itself.
    """
    for name in (*([] if target is None else [target]), *drop, *keep):
        check_column(name, source.names)
    found = Inferred(num_rows=source.num_rows)
    rows = None
    if target is not None:
        values = plain(source.take(target))
        rows = usable_rows(values, target, drop_missing=drop_missing_target)
        if rows is not None:
            values = values.filter(rows)
            found.num_rows = len(values)
        found.target = target_of(target, values, task)
        found.y = codes_of_target(values, found.target)
    for name in source.names:
        if name != target:
            values = plain(source.take(name))
            if rows is not None:
                values = values.filter(rows)
            _look(found, name, values, dropped=name in drop, kept=name in keep)
    if target is not None and not found.encoded:
        raise _no_feature(found.columns)
    return found


def check_column(name: str, names: Sequence[str]) -> None:
    """Check that a column is there.

    Raises:
        DataError: It is not; with the nearest name.
    """
    if name not in names:
        raise DataError(
            f"There is no column {name!r}.{nearest_name(name, names)}\n"
            f"The columns are {listed(names, most=20)}.\n"
            "Name one of these."
        )


def stacked(
    columns: Sequence[Column], encoded: dict[str, Tensor]
) -> dict[str, Shaped[Tensor, "rows columns"]]:
    """Put the columns of each group side by side; ``encoded`` is used up."""
    x = {}
    for group in ("numbers", "categories", "times"):
        names = [column.name for column in columns if column.group == group]
        if names:
            x[group] = torch.stack([encoded.pop(name) for name in names], dim=1)
    return x


def _look(
    found: Inferred, name: str, values: pa.Array, *, dropped: bool, kept: bool
) -> None:
    column = column_of(name, values, keep=kept)
    if dropped:
        column = replace(column, used=False, reason="dropped by name", vocabulary=())
    if column.used:
        encoded = codes_of_column(typed(values, column), column, found.notices)
        twin = _twin(found, column, encoded)
        if twin is not None and not kept:
            column = replace(
                column,
                kind="duplicate",
                used=False,
                reason=f"the same as {twin!r} in every row",
                vocabulary=(),
            )
        else:
            if found.target is not None and not kept:
                _refuse_target(found.target, found.y, column, encoded)
            found.encoded[name] = encoded
    found.columns.append(column)


def _twin(found: Inferred, column: Column, encoded: Tensor) -> str | None:
    """The name of an earlier feature with the same values in all rows."""
    signature = (column.group, column.seen, column.origin, column.vocabulary)
    alike = found.alike.setdefault(signature, [])
    for name in alike:
        if _same(found.encoded[name], encoded):
            return name
    alike.append(column.name)
    return None


def _same(some: Tensor, others: Tensor) -> bool:
    return torch.equal(some.nan_to_num(), others.nan_to_num()) and torch.equal(
        some.isnan(), others.isnan()
    )


def _refuse_target(
    target: Target, y: Tensor | None, column: Column, encoded: Tensor
) -> None:
    """Refuse a feature that is the target under another name."""
    assert y is not None
    if target.labels:
        leaks = column.num_missing == 0 and _renames(encoded, y, len(target.labels))
    else:
        alike = column.seen == target.seen and column.origin == target.origin
        leaks = alike and torch.equal(encoded, y)
    if leaks:
        raise DataError(
            f"The column {column.name!r} is the target {target.name!r} under another "
            f"name: in all {len(y):,} rows one tells the other.\n"
            "Scores would be perfect, and worth nothing on rows to predict.\n"
            f"Leave it out with --drop {column.name}; if it will be known before the "
            f"target is, say --keep {column.name}."
        )


def _renames(feature: Tensor, y: Tensor, num_classes: int) -> bool:
    """Whether feature and target have as many values each as there are pairs."""
    if len(y) < 2 * num_classes or len(feature[:1_000].unique()) > num_classes:
        return False
    values, codes = feature.unique(return_inverse=True)
    if len(values) != num_classes:
        return False
    return len((codes * num_classes + y).unique()) == num_classes


def _no_feature(columns: Sequence[Column]) -> DataError:
    reasons = "; ".join(f"{c.name}: {c.reason}" for c in columns[:8])
    return DataError(
        f"None of the {len(columns)} columns beside the target is a feature"
        f"{' (' + reasons + ')' if reasons else ''}.\n"
        "There is nothing to predict from.\n"
        "Use a column all the same with --keep COLUMN, or drop fewer."
    )
