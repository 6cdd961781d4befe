"""Features that give the target nearly alone: mostly they were made from it.

``y_usd = 1.1 y`` gives an R2 of 1, and is not there when the target is not. Whether a
feature will be known before the target is, nobody can tell from a table: it is said,
with the option that leaves it out. Numbers are looked at in a line and by their order,
classes by thresholds, and categories by what their values have in common.

The numbers were chosen by hand; tests hold them against independent columns and
well-known tables.
"""

import numpy as np
import numpy.typing as npt

from gradatim.tables.table import Table

__all__ = ["telling_features", "telling_line"]

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

MOST_ROWS = 2_000
"""So many rows are looked at, drawn at random."""
FEWEST_ROWS = 30
FIRST_ROWS = 64
"""Columns whose order is not that of the target in so many rows are looked at no more:
thousands of columns are told apart in milliseconds."""
FIRST_SHARE = 0.98
NEARLY_ALL = 0.999
"""R2 of the target, or of its rank, by the feature alone."""
IN_ORDER = 0.9
"""R2 of the target's rank, at least, where a line gives the target."""
FEW_ERRORS = 0.02
"""Of classes so many are wrong, where the most frequent class is wrong in all."""
FEWEST_ERRORS = 10
"""If the most frequent class is wrong less often, nothing can be told."""
ROWS_A_VALUE = 5
"""Categories of fewer rows a value are told apart by chance."""
MOST_NAMED = 3


def telling_features(table: Table) -> list[str]:
    """Name the features that give the target nearly alone, the first ones first.

    >>> import pyarrow as pa
    >>> y = [float(n * n % 97) for n in range(60)]
    >>> data = {"a": list(range(60)), "usd": [1.1 * n for n in y], "y": y}
    >>> from gradatim.tables.table import read_table
    >>> telling_features(read_table(data, target="y"))
    ['usd']
    """
    if table.y is None or len(table) < FEWEST_ROWS:
        return []
    # At random: rows in the order of the target would make equal values tell it.
    rows = np.random.default_rng(0).permutation(len(table))[:MOST_ROWS]
    y, schema, found = table.y.numpy()[rows], table.schema, set[str]()
    if "numbers" in table.x:
        names = [column.name for column in schema.group("numbers")]
        numbers = table.x["numbers"].numpy()[rows].astype(np.float64)
        tells = _ordering if schema.labels else _like
        found |= {names[place] for place in tells(numbers, y)}
    if "categories" in table.x:
        codes = table.x["categories"].numpy()[rows]
        fixes = _fixes_class if schema.labels else _fixes_number
        for place, column in enumerate(schema.group("categories")):
            most = len(rows) / ROWS_A_VALUE
            if len(np.unique(codes[:, place])) <= most and fixes(codes[:, place], y):
                found.add(column.name)
    return [column.name for column in schema.features if column.name in found]


def telling_line(table: Table) -> str:
    """Say which features give the target nearly alone; nothing where none does."""
    names = telling_features(table)
    if not names:
        return ""
    target = table.schema.target
    assert target is not None
    named = ", ".join(names[:MOST_NAMED])
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    verb, drops = "gives", " ".join(f"--drop {name}" for name in names[:MOST_NAMED])
    if len(names) > 1:
        verb = "each give"
    return (
        f"{named}{more} {verb} {target.name} nearly alone. What is known only once the "
        "target is makes the scores say nothing of rows to predict; leave it out: "
        f"{drops}"
    )


def _like(numbers: Floats, y: npt.NDArray[np.float32]) -> list[int]:
    """Find the columns of which a line, or the order, gives the target."""
    first = np.isfinite(numbers[:FIRST_ROWS])
    some = np.where(first, numbers[:FIRST_ROWS], 0.0)
    # Of the first rows the order is that of places: equal values make few differences.
    of_order = _squared(
        _ranks(some), _ranks(y[:FIRST_ROWS].astype(np.float64)[:, None])
    )
    in_line = _squared(some, y[:FIRST_ROWS].astype(np.float64)[:, None])
    may_be = (np.maximum(of_order, in_line) > FIRST_SHARE) | ~first.all(axis=0)
    found = []
    for place in np.flatnonzero(may_be):
        known = np.isfinite(numbers[:, place])
        if known.sum() < max(FEWEST_ROWS, len(y) / 2):
            continue
        x, targets = (
            numbers[known, place][:, None],
            y[known].astype(np.float64)[:, None],
        )
        in_order = _squared(_ranks(x), _ranks(targets))[0]
        in_line = _squared(x, targets)[0]  # one row far from all others may make it
        if in_order > NEARLY_ALL or (in_line > NEARLY_ALL and in_order > IN_ORDER):
            found.append(int(place))
    return found


def _ranks(values: Floats) -> Floats:
    """Give the rank of each value in its column; equal values have their mean rank."""
    ranks = np.empty_like(values)
    for place in range(values.shape[1]):
        _, codes, counts = np.unique(
            values[:, place], return_inverse=True, return_counts=True
        )
        ranks[:, place] = (np.cumsum(counts) - (counts - 1) / 2)[codes]
    return ranks


def _squared(x: Floats, y: Floats) -> Floats:
    """Give the squared correlation of each column with ``y``; 0 of constant ones."""
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    spread = (x**2).sum(axis=0) * (y**2).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(spread > 0, (x * y).sum(axis=0) ** 2 / spread, 0.0)


def _wrong(counts: npt.NDArray[np.int64]) -> int:
    """Count the rows that are not of the most frequent class."""
    return int(counts.sum() - counts.max())


def _ordering(numbers: Floats, y: Codes) -> list[int]:
    """Find the columns in whose order each class comes in one piece, or nearly so."""
    found = []
    for place in range(numbers.shape[1]):
        known = np.isfinite(numbers[:, place])
        classes = y[known]
        counts = np.bincount(classes) if len(classes) else np.zeros(1, np.int64)
        wrong = _wrong(counts)
        if wrong < FEWEST_ERRORS or len(classes) < len(y) / 2:
            continue
        most = np.count_nonzero(counts) - 1 + int(FEW_ERRORS * wrong)
        order = np.argsort(numbers[known, place], kind="stable")
        if np.count_nonzero(np.diff(classes[order])) <= most:
            found.append(place)
    return found


def _fixes_class(codes: Codes, y: Codes) -> bool:
    """Say whether nearly all rows of each value are of one class."""
    wrong = _wrong(np.bincount(y))
    if wrong < FEWEST_ERRORS:
        return False
    counts = np.zeros((codes.max() + 1, y.max() + 1), np.int64)
    np.add.at(counts, (codes, y), 1)
    errors = counts.sum() - counts.max(axis=1).sum()
    return bool(errors <= FEW_ERRORS * wrong)


def _fixes_number(codes: Codes, y: npt.NDArray[np.float32]) -> bool:
    """Say whether the targets of each value are nearly the same."""
    targets = y.astype(np.float64)
    targets -= targets.mean()
    counts = np.bincount(codes)
    sums = np.bincount(codes, targets)
    total = float(targets @ targets)
    between = float((sums**2 / np.maximum(counts, 1)).sum())
    return total > 0 and between / total > NEARLY_ALL
