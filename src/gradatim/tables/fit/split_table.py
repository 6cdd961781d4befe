"""Which rows of a table are trained on, chosen by and scored on.

At random and, for classes, by class; by time where the table has one, so that the
scores are on what came later; by group where it has groups, so that they are on new
ones. Once, or in folds, of which each has other rows to test on.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from jaxtyping import Int
from torch import Tensor

from gradatim.data.split import split_rows_of
from gradatim.errors import ConfigError, DataError
from gradatim.tables.fit.config import TabularConfig
from gradatim.tables.schema.row_keys import RowKeys
from gradatim.tables.table import Table

__all__ = ["Rows", "split_choices", "split_table"]


class Rows(NamedTuple):
    """The numbers of the rows to train on, to validate with and to test on."""

    train: Int[Tensor, " train_rows"]
    val: Int[Tensor, " val_rows"]
    test: Int[Tensor, " test_rows"]


def split_choices(table: Table, config: TabularConfig) -> TabularConfig:
    """Let the choices name the columns that the rows are split and weighed by.

    Raises:
        ConfigError: They name others.
    """
    for what in ("time", "group", "weight"):
        keys: RowKeys | None = getattr(table, what)
        chosen = getattr(config, what)
        if chosen is not None and (keys is None or keys.name != chosen):
            raise ConfigError(
                f"{what} is {chosen!r}, and the table was read with {what}="
                f"{keys.name if keys else None!r}.\n"
                "A column that is no feature is kept only if it was named.\n"
                f"Read it with read_table(..., {what}={chosen!r})."
            )
    # Both at once are refused by the configuration itself.
    names = {what: getattr(table, what) for what in ("time", "group", "weight")}
    return replace(config, **{what: k and k.name for what, k in names.items()})


def split_table(
    table: Table,
    config: TabularConfig,
    *,
    has_val: bool = False,
    has_test: bool = False,
) -> list[Rows]:
    """Split the rows: once, or into ``config.folds`` folds.

    Where the rows to validate with, or to test on, are those of another table
    (``has_val``, ``has_test``), none of this one are.

    Raises:
        DataError: There are too few rows or groups, or a class has no training row.
    """
    val = 0.0 if has_val else config.val
    try:
        if config.folds is not None:
            folds = _folds(table, config, val)
        else:
            test = 0.0 if has_test else config.test
            every_row = torch.arange(len(table))
            shares = (1 - val - test, val, test)
            folds = [Rows(*_cut(table, every_row, shares, config.seed))]
    except DataError as error:
        raise _too_few(table, config, error) from error
    for rows in folds:
        if table.schema.labels:
            _check_classes(table, rows.train)
    if table.time is None:
        return folds
    # What takes the first rows of a part is to take rows of every time.
    generator = torch.Generator().manual_seed(config.seed)
    return [
        Rows(*(part[torch.randperm(len(part), generator=generator)] for part in rows))
        for rows in folds
    ]


def _cut(
    table: Table, rows: Tensor, shares: Sequence[float], seed: int
) -> list[Int[Tensor, " part_rows"]]:
    """Cut some rows into parts, in the way of the table; a share of 0 gets none."""
    assert table.y is not None
    options: dict[str, Any] = {"seed": seed}
    if table.time is not None:
        options["time"] = table.time.values[rows]
    else:
        options["stratify"] = table.y[rows] if table.schema.labels else None
        options["groups"] = table.group and table.group.values[rows]
    fractions = [share for share in shares if share]
    parts = iter(split_rows_of(len(rows), fractions=fractions, **options))
    return [rows[next(parts)] if share else rows[:0] for share in shares]


def _folds(table: Table, config: TabularConfig, val: float) -> list[Rows]:
    assert config.folds is not None and table.y is not None
    num_folds, every_row = config.folds, torch.arange(len(table))
    if table.time is not None:  # each fold is trained on all that came before it
        blocks = _cut(table, every_row, [1 / (num_folds + 1)] * (num_folds + 1), 0)
        folds = []
        for place in range(num_folds, 0, -1):
            before = torch.cat(blocks[:place])
            train, chosen_by = _cut(table, before, (1 - val, val), config.seed)
            folds.append(Rows(train, chosen_by, blocks[place]))
        return folds
    always = every_row[:0]
    if table.schema.labels and table.group is None:  # too rare to be in each fold
        rare = torch.bincount(table.y)[table.y] < num_folds
        always, every_row = every_row[rare], every_row[~rare]
    tests = _cut(table, every_row, [1 / num_folds] * num_folds, config.seed)
    folds = []
    for place, test in enumerate(tests):
        rest = torch.cat([*tests[:place], *tests[place + 1 :]])
        share = val / (1 - 1 / num_folds)
        train, chosen_by = _cut(table, rest, (1 - share, share), config.seed)
        folds.append(Rows(torch.cat([train, always]), chosen_by, test))
    return folds


def _too_few(table: Table, config: TabularConfig, error: DataError) -> DataError:
    what, of_what = "rows", "rows of each class" if table.schema.labels else "rows"
    if table.group is not None:
        num_groups = len(table.group.values.unique())
        what = f"rows in {num_groups:,} groups of {table.group.name!r}"
        of_what = "groups"
    elif table.time is not None:
        what = f"rows in the order of {table.time.name!r}"
        of_what = "rows of other times"
    parts = f"{config.val:g} of them to validate and {config.test:g} to test"
    if config.folds is not None:
        parts = f"{config.folds} folds with {config.val:g} of them to validate"
    return DataError(
        f"{len(table)} {what} are too few for {parts}: {str(error).splitlines()[0]}\n"
        "A score over no rows says nothing.\n"
        f"Give more {of_what}, or other shares."
    )


def _check_classes(table: Table, train: Tensor) -> None:
    assert table.y is not None
    trained = set(table.y[train].unique().tolist())
    labels = table.schema.labels
    lost = [str(label) for code, label in enumerate(labels) if code not in trained]
    if not lost:
        return
    where = ""
    if table.time is not None:
        where = f", as all its rows are among the latest by {table.time.name!r}"
    elif table.group is not None:
        where = f", as few groups of {table.group.name!r} have it"
    raise DataError(
        f"no training row has the class {', '.join(lost[:5])}{where}.\n"
        "A class that is never seen cannot be learned.\n"
        "Give more rows of it, or leave its rows out."
    )
