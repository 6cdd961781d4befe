"""Numbers that may be something else: codes, dates, or marks of a missing value.

They stay numbers, as nobody can tell for certain. What they look like is said, with the
option that makes them so.
"""

import re
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from torch import Tensor

from gradatim.tables.files.arrow import array_of, numpy_of
from gradatim.tables.schema.date_forms import read_moments

__all__ = ["remark"]

# The numbers were chosen by hand, not measured, unless it is said otherwise.
MOST_ROWS = 100_000
"""More rows are not looked at; those that are lie evenly among all."""
FIRST_DAY = 19_000_101
LAST_DAY = 21_001_231
"""Whole numbers in this range may be dates, the year first."""
NINES = re.compile(r"-?9{2,}(\.0)?")
"""Numbers that are often written where there is none."""
FEWEST_CODES = 10
"""Of fewer values it cannot be told whether they have an order."""
ROWS_A_CODE = 5
"""Codes occur in so many rows on average, so that each can be learned."""
LEAST_SHARE = 0.1
"""The share of the target's variance that codes explain at least."""
LINEAR_SHARE = 0.5
"""A straight line explains less than this share of what the codes do."""
ROUGHNESS = 0.5
"""The squared steps between the targets of neighbouring codes are on average 2 times
their variance where the codes have no order (a ratio of 1), and far less where they
have one. Source: von Neumann 1941, https://doi.org/10.1214/aoms/1177731677."""


def remark(name: str, values: pa.Array, y: Tensor | None) -> str:
    """Say what numbers may be instead; mostly ``""``. ``y`` are the target's codes.

    >>> remark("day", pa.array([20230107, 20230108]), None)
    'they look like dates: --date day=%Y%m%d'
    """
    if not (pa.types.is_integer(values.type) or pa.types.is_floating(values.type)):
        return ""
    ends = pc.min_max(values).as_py()
    low, high = ends["min"], ends["max"]
    if low is None or low == high:
        return ""
    if pa.types.is_integer(values.type):
        if low >= FIRST_DAY and high <= LAST_DAY and _are_days(values):
            return f"they look like dates: --date {name}=%Y%m%d"
        if y is not None and (count := _num_codes(values, y)):
            return (
                f"{count:,} values, whose order says little of the target: "
                f"--category {name}?"
            )
    for end in (low, high):
        if NINES.fullmatch(str(end)) and (rows := _apart(values, end)):
            return (
                f"{end:g} stands apart in {rows:,} rows: if it means that there is no "
                f"value, --missing {name}={end:g}"
            )
    return ""


def _some(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return values[:: max(1, len(values) // MOST_ROWS)]


def _are_days(values: pa.Array) -> bool:
    different = np.unique(_some(numpy_of(values.drop_null())))
    texts = array_of(different, pa.int64()).cast(pa.string())
    return bool(read_moments(texts, "%Y%m%d").fits.all())


def _apart(values: pa.Array, end: float) -> int:
    """Count the rows at one end of the numbers; 0 where it is near to the others."""
    numbers = numpy_of(values)
    others = numbers[(numbers != end) & np.isfinite(numbers)]
    if len(others) == 0:
        return 0
    low, high = others.min(), others.max()
    gap = low - end if end < low else end - high
    return int((numbers == end).sum()) if gap > high - low else 0


def _num_codes(values: pa.Array, y: Tensor) -> int:
    """Count the codes where they tell the target and their order does not; else 0."""
    numbers, targets = numpy_of(values), y.double().numpy()
    is_known = np.isfinite(numbers) & np.isfinite(targets)
    numbers, targets = _some(numbers[is_known]), _some(targets[is_known])
    if len(numbers) < FEWEST_CODES * ROWS_A_CODE:
        return 0
    if len(np.unique(numbers[:1_000])) > 1_000 / ROWS_A_CODE:
        return 0  # most columns of measurements, without sorting them
    codes, places, rows = np.unique(numbers, return_inverse=True, return_counts=True)
    if len(codes) < FEWEST_CODES or len(numbers) < ROWS_A_CODE * len(codes):
        return 0
    centred = targets - targets.mean()
    total = float(centred @ centred)
    if total == 0:
        return 0
    means = np.bincount(places, centred) / rows
    between = float(rows @ means**2)
    # Of noise alone, the means of k codes explain (k - 1) / (n - 1) of the variance.
    by_chance = (len(codes) - 1) / (len(numbers) - 1)
    explained = (between / total - by_chance) / (1 - by_chance)
    line = np.corrcoef(numbers, targets)[0, 1] ** 2
    steps = float(np.square(np.diff(means)).mean())
    spread = 2 * float(np.square(means - means.mean()).mean())
    is_rough = steps > ROUGHNESS * spread
    tells = explained > max(LEAST_SHARE, line / LINEAR_SHARE)
    return len(codes) if tells and is_rough else 0
