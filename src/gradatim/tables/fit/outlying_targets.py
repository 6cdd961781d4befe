"""Targets that lie so far from all others that a slip is likelier than a rare case.

One target of 1e12 among hundreds would be all that a squared error is about. It is told
with its place, and training takes it as the nearest of the others. The scores are on
what the data say.

The numbers were chosen by hand, so that heavy tails are left alone. Of 6,000 tables of
500 targets from a Pareto distribution with 1.16 (80 % belong to 20 %), 37 had one so
far out; of lognormal ones with a deviation of 2, one; of Student's t with 2 degrees of
freedom, none.
"""

from collections.abc import Mapping

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from gradatim.tables.model.score_table import format_score
from gradatim.tables.table import Table

__all__ = ["outliers", "outliers_line", "place_of", "without_outliers"]

FEWEST_ROWS = 20
FAR = 100.0
"""An outlier is so many times as far from the median as every other target."""
MOST_OUTLIERS = 10
ROWS_AN_OUTLIER = 100
"""Of so many rows one may be an outlier, and one of fewer rows. More are no slips."""
MOST_NAMED = 3


def outliers(y: Float[Tensor, " rows"]) -> Int64[Tensor, " outliers"]:
    """Give the places of the targets that lie apart; mostly there is none.

    >>> y = torch.cat([torch.arange(60.0), torch.tensor([1e12])])
    >>> outliers(y)
    tensor([60])
    """
    none = torch.empty(0, dtype=torch.int64)
    if len(y) < FEWEST_ROWS:
        return none
    values = y.double()
    distances = (values - values.median()).abs()
    if distances.median() == 0:  # most are equal: what differs is rare, and no slip
        return none
    most = max(1, min(MOST_OUTLIERS, len(y) // ROWS_AN_OUTLIER))
    largest, places = distances.topk(most + 1)
    apart = largest[:-1] > FAR * largest[1:]
    if not apart.any():
        return none
    count = int(apart.nonzero().max()) + 1
    return places[:count].sort().values


def without_outliers(
    y: Float[Tensor, " all_rows"], rows: Int64[Tensor, " rows"]
) -> Float[Tensor, " all_rows"]:
    """Give targets to learn from: those of ``rows`` that lie apart are brought near.

    They become the least or the greatest of the others. Where none lies apart, ``y``
    itself is given.
    """
    places = outliers(y[rows])
    if len(places) == 0:
        return y
    is_other = torch.ones(len(rows), dtype=torch.bool)
    is_other[places] = False
    others = y[rows[is_other]]
    y = y.clone()
    y[rows[places]] = y[rows[places]].clamp(others.min(), others.max())
    return y


def outliers_line(table: Table, own: Mapping[str, Tensor]) -> str:
    """Say which targets lie apart, with their places; nothing where none does.

    ``own`` are the rows of the table that come from one of their own, by its option.
    """
    target, y = table.schema.target, table.y
    if target is None or y is None or target.task != "regression":
        return ""
    found = outliers(y)
    if len(found) == 0:
        return ""
    name, origin = target.name, target.origin
    is_other = torch.ones(len(y), dtype=torch.bool)
    is_other[found] = False
    values, others = y.double() + origin, y[is_other].double() + origin
    first = found[:MOST_NAMED].tolist()
    places = [(row, place_of(table, row, own)) for row in first]
    each = ", ".join(f"{format_score(values[row].item())} ({at})" for row, at in places)
    more = f" and {len(found) - len(first)} more" if len(found) > len(first) else ""
    verb = "lies" if len(found) == 1 else "lie"
    return (
        f"{name}: {each}{more} {verb} far from all others, "
        f"{format_score(others.min().item())} to {format_score(others.max().item())}: "
        "taken as the nearest of these in training, and as it is in scores. If it is a "
        "mistake, correct it or delete the row"
    )


def place_of(table: Table, row: int, own: Mapping[str, Tensor]) -> str:
    """Say where a row stands, for people: its line, or its number."""
    number = int(table.row_numbers[row])
    for name, rows in own.items():
        if bool((rows == row).any()):
            return f"row {number + 1} of --{name}"
    return table.notices.where([number])[0]
