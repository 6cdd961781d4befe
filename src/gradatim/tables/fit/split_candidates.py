"""Which columns of a table could be its times, and which could say what rows are alike.

Nobody can tell from a table alone what new rows will be. Most categories are no groups:
the next house stands in one of the same towns. A column is taken for one of groups only
if there is a sign of it, which rows that were drawn one by one do not have:

- another feature is the same in all rows of a value, as a patient's age is;
- the rows of each value stand together in the file;
- its values have the same number of rows, more exactly than chance would have it;
- its name ends in ``id``; or few rows have the same value.

The numbers in this file that have no reason beside them were chosen by hand; the tests
of ``split_doubts`` hold them against tables of rows that are independent of each other,
and of rows that are not.
"""

import math
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from gradatim.tables.schema.column_kinds import ID_NAME, UNIX_TIMES
from gradatim.tables.schema.columns import Column
from gradatim.tables.table import Table

__all__ = ["Places", "group_candidates", "time_candidates"]

Places = npt.NDArray[np.int64]

MOST_LOOKED_AT = 20_000
"""So many rows are enough to see how many values there are, and what they tell."""
MOST_COLUMNS = 200
"""So many columns are looked at, the first ones."""
MOST_CANDIDATES = 4
"""So many columns that could be times, and so many that could be groups."""
FEWEST_TIMES = 8
"""A column of fewer different values puts rows in no order."""
FEWEST_GROUPS = 10
"""Values of fewer are levels, such as colours."""
FEW_ROWS_A_GROUP = 3
"""Where a value has so few rows or less on average, there will be more values."""
TOO_EVEN = 4.5
"""Counts that are so many standard deviations too even are no chance: the odds are
under 1 in 10^5."""
TIME_NAME = re.compile(
    r"(?:^|[_\W\d])(?:t|ts|time|timestamp|date|year|yr|quarter|month|week|day|hour|"
    r"minute|second|step|period|season|round|epoch)s?(?:$|[_\W\d])",
    re.IGNORECASE,
)


def time_candidates(table: Table) -> Iterator[tuple[str, Any, bool]]:
    """Give the name, values and use of columns that could put the rows in order."""
    num_given = 0
    for column, values in _columns(table):
        if num_given == MOST_CANDIDATES:
            return
        if column.kind == "datetime" and column.parts != ("time_of_day",):
            is_time = True
        elif column.vocabulary or values.dtype == np.int32:
            continue
        else:
            is_time = _counts_time(values, column) or (
                _rises(values) and _may_be_a_time(column.name, values)
            )
        if is_time and _num_different(values) >= FEWEST_TIMES:
            num_given += 1
            yield column.name, values, column.used


def _columns(table: Table) -> Iterator[tuple[Column, npt.NDArray[Any]]]:
    """Give the columns with the codes of all rows; of those unused what is kept."""
    places = {"numbers": 0, "categories": 0, "times": 0}
    for column in table.schema.columns[:MOST_COLUMNS]:
        if column.used and column.group != "texts":
            place = places[column.group]
            places[column.group] += 1
            yield column, table.x[column.group][:, place].numpy()
        elif (values := table.unused.get(column.name)) is not None:
            yield column, values


def _counts_time(values: npt.NDArray[Any], column: Column) -> bool:
    """Say whether whole numbers are seconds or milliseconds since 1970."""
    low, high = values.min() + column.origin, values.max() + column.origin  # or NaN
    return any(start <= low and high <= end for start, end in UNIX_TIMES)


def _rises(values: npt.NDArray[Any]) -> bool:
    """Say whether values never fall, or never rise, from row to row."""
    for part in (values[:1_000], values):  # mostly the first ones tell
        steps = part[1:] - part[:-1]
        if not ((steps >= 0).all() or (steps <= 0).all()):  # NaN is neither
            return False
    return True


def _may_be_a_time(name: str, values: npt.NDArray[Any]) -> bool:
    """Say whether a rising column counts something, in even steps, or is called a time.

    A file may be sorted by any column; its values then rise by uneven steps.
    """
    if TIME_NAME.search(name):
        return True
    steps = np.abs(values[1:] - values[:-1])
    return bool(
        (values == np.floor(values)).all() and 0 < steps.max() < 2 * steps.min()
    )


def _num_different(values: npt.NDArray[Any]) -> int:
    return len(np.unique(values[:MOST_LOOKED_AT]))


def group_candidates(table: Table) -> Iterator[tuple[str, Any, bool]]:
    """Give the name, groups and use of columns that could say which rows are alike.

    The groups are those of the first rows; a use is one by the model, or by another
    feature that tells the group.
    """
    num_given = 0
    columns = [(column, v[:MOST_LOOKED_AT]) for column, v in _columns(table)]
    for column, values in columns:
        if num_given == MOST_CANDIDATES:
            return
        is_number = not column.vocabulary and column.kind == "number"
        if column.kind == "datetime" or (is_number and not _are_whole(values)):
            continue
        _, groups, counts = np.unique(values, return_inverse=True, return_counts=True)
        if len(counts) < FEWEST_GROUPS or len(values) < 2 * len(counts):
            continue
        named = ID_NAME.search(column.name) is not None
        others = [v for c, v in columns if c.used and c.name != column.name]
        is_shared = _tells_another(groups, values if is_number else None, others)
        if named or is_shared or (not is_number and _looks_grouped(groups, counts)):
            num_given += 1
            yield column.name, groups, column.used or is_shared


def _are_whole(values: npt.NDArray[Any]) -> bool:
    start = values[:1_000]
    return bool((start == np.floor(start)).all() and (values == np.floor(values)).all())


def _tells_another(groups: Places, numbers: Any, others: list[Any]) -> bool:
    """Say whether some feature is the same in each group, and tells groups apart.

    One that rises or falls with the number itself only tells it in other units.
    """
    first = np.unique(groups, return_index=True)[1]
    for values in others:
        of_group = values[first]
        if not (values[:200] == of_group[groups[:200]]).all():
            continue
        if not (values == of_group[groups]).all():
            continue
        if 2 * len(np.unique(of_group)) < len(first):
            continue
        if numbers is None or not _rises(of_group):
            return True
    return False


def _looks_grouped(groups: Places, counts: Places) -> bool:
    num_rows, num_groups = len(groups), len(counts)
    mean = num_rows / num_groups
    if mean <= FEW_ROWS_A_GROUP:
        return True
    num_runs = 1 + int((groups[1:] != groups[:-1]).sum())
    if num_runs <= 1.2 * num_groups:
        return True
    # Of rows drawn one by one the statistic is distributed as chi-squared, and its cube
    # root nearly normal (Wilson, Hilferty 1931, https://doi.org/10.1073/pnas.17.12.684).
    freedom = num_groups - 1
    statistic = ((counts - mean) ** 2 / mean).sum()
    root = (statistic / freedom) ** (1 / 3) - (1 - 2 / (9 * freedom))
    return bool(root < -TOO_EVEN * math.sqrt(2 / (9 * freedom)))
