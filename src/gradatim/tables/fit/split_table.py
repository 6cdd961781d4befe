"""Which rows of a table are trained on, chosen by and scored on.

At random and, for classes, by class; by time where the table has one, so that the
scores are on what came later; by group where it has groups, so that they are on new
ones.
"""

from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from gradatim.data.split import split_rows_of
from gradatim.errors import ConfigError, DataError
from gradatim.tables.fit.config import TabularConfig
from gradatim.tables.schema.row_keys import RowKeys
from gradatim.tables.table import Table

__all__ = ["split_choices", "split_table"]


def split_choices(table: Table, config: TabularConfig) -> TabularConfig:
    """Let the choices name the columns that the table was read to be split by.

    Raises:
        ConfigError: They name others.
    """
    for what in ("time", "group"):
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
    names = {what: getattr(table, what) for what in ("time", "group")}
    return replace(config, **{what: k and k.name for what, k in names.items()})


def split_table(
    table: Table, config: TabularConfig
) -> tuple[
    Int[Tensor, " train_rows"], Int[Tensor, " val_rows"], Int[Tensor, " test_rows"]
]:
    """Give the row numbers to train on, to validate with and to test on.

    Raises:
        DataError: There are too few rows or groups, or a class has no training row.
    """
    assert table.y is not None
    is_classes = bool(table.schema.labels)
    fractions = (1 - config.val - config.test, config.val, config.test)
    options: dict[str, Any] = {"seed": config.seed}
    if table.time is not None:
        options["time"] = table.time.values
    else:
        options["stratify"] = table.y if is_classes else None
        options["groups"] = table.group and table.group.values
    try:
        train, val, test = split_rows_of(len(table), fractions=fractions, **options)
    except DataError as error:
        raise _too_few(table, config, error) from error
    if is_classes:
        _check_classes(table, train)
    # What takes the first rows of a part takes rows of every time.
    generator = torch.Generator().manual_seed(config.seed)
    if table.time is not None:
        train, val, test = (
            part[torch.randperm(len(part), generator=generator)]
            for part in (train, val, test)
        )
    return train, val, test


def _too_few(table: Table, config: TabularConfig, error: DataError) -> DataError:
    what, of_what = "rows", "rows of each class" if table.schema.labels else "rows"
    if table.group is not None:
        num_groups = len(table.group.values.unique())
        what = f"rows in {num_groups:,} groups of {table.group.name!r}"
        of_what = "groups"
    elif table.time is not None:
        what = f"rows in the order of {table.time.name!r}"
        of_what = "rows of other times"
    return DataError(
        f"{len(table)} {what} are too few for {config.val:g} of them to validate and "
        f"{config.test:g} to test: {str(error).splitlines()[0]}\n"
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
