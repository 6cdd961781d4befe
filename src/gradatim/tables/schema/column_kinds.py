"""What kind of column a column is: the rules, applied to all its values.

===========  ================================================================
number       integers, floats, decimals, durations, however few distinct values
category     text whose values repeat: at most half as many values as rows (text that is
             written as numbers or dates has become such before: ``as_written``)
boolean      true and false: a category whose two values are known beforehand
datetime     dates, dates with times, times of day
text         longer text, or text that repeats too rarely to learn from
identifier   text that differs in nearly every row; integers that count the rows
constant     one value in every row, or none at all
===========  ================================================================

The last two are not used as features: an identifier says which row it is and nothing
of other rows, and a constant says nothing. Text of two words or more is read where it
helps, which is decided when the rows are split (``texts.py``, ``fit/text_choice.py``).

**When text is an identifier.** At least 95 of 100 values differ, and they are short.
From a value that occurs once, nothing can be learned for other rows. Longer values
(over 40 characters or four words on average) are called text.

**When an integer is an identifier.** Floats never are. An integer column that counts
rows (0, 1, 2, ... or 1, 2, 3, ..., from 10 rows) is one. So is a column without the
repeats that measurements would have: n values drawn from a range of size r repeat about
n^2 / 2r times. Where 20 or more repeats are expected and under a tenth of them occur,
chance is no explanation (odds under 1 in 10^6): somebody handed the values out, one to
each row. A measurement in a small table is safe: 30 rows over a range of 100 expect
only 4.5 repeats. Last, a column whose name ends in ``id`` (``id``, ``user_id``,
``userId``) is an identifier if its values all differ. Integers that read as Unix times
from 1990 to 2100 never are.
"""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from gradatim.tables.files.arrow import numpy_of
from gradatim.tables.files.data_file import MISSING_VALUES
from gradatim.tables.schema.calendar import PARTS, SECONDS_A_DAY
from gradatim.tables.schema.columns import Column, Kind
from gradatim.tables.schema.typed_values import places
from gradatim.tables.schema.values_to_codes import UNITS_PER_S, ticks, time_unit

__all__ = ["VOCABULARY_CAP", "column_of", "number_entries"]

# Numbers that have no reason beside them were chosen by hand, not measured.
VOCABULARY_CAP = 10_000
"""At most so many values of a category have a code; rarer ones count as unseen. That
they share one code, and are not hashed into many, was measured: benchmarks/LOG.md."""
IDENTIFIER_SHARE = 0.95
"""The share of different values from which text is an identifier."""
CATEGORY_SHARE = 0.5
"""The share of different values up to which text is a category."""
LONG_CHARACTERS = 40
"""Values with more characters on average are text."""
LONG_WORDS = 4
"""Values with more words on average are text."""

EXPECTED_REPEATS = 20
"""From so many expected repeats on, a tenth of them or less is no chance: the odds are
under 1 in 10^6."""
REPEATS_SHARE = 0.1
"""Below this share of the expected repeats, integers were handed out to rows."""
MIN_COUNTED_ROWS = 10
"""Fewer rows do not make 0, 1, 2, ... an identifier."""
ID_NAME = re.compile(r"(?:^|[_\s.-])[iI][dD]$|[a-z]I[dD]$")
UNIX_TIMES = ((631_152_000, 4_102_444_800), (631_152_000_000, 4_102_444_800_000))
"""The first and last moment from 1990 to 2100, in seconds and in milliseconds."""

EXACT_FLOAT32 = 1 << 24
"""float32 holds every integer up to this one."""
EXACT_FLOAT64 = 1 << 53
"""float64 holds every integer up to this one."""
MONTH_DAYS = 45
"""In a shorter span the time elapsed says what the day of the month would."""
SEASON_DAYS = 120
"""In a shorter span the time elapsed says what the day of the year would."""
MAX_INT64 = 2**63 - 1
CLOSE_TOGETHER = 128
"""A magnitude this many times the range costs float32 7 of its 24 bits."""


def column_of(name: str, values: pa.Array, *, keep: bool) -> Column:
    """Say what a column is by all its values, made plain by ``values_to_codes.plain``.

    One to ``keep`` is a feature in any case: text becomes a category, integers stay
    numbers.

    >>> column_of("rooms", pa.array([3, 4, None, 3]), keep=False).seen
    '3 to 4'
    """
    judge = _judge_of(values.type)
    is_empty = values.null_count == len(values)
    if judge is None or is_empty:
        no_encoding = f"there is no encoding for {values.type}"
        reason = "no row has a value" if judge else no_encoding
        kind: Kind = "constant" if is_empty else "text"
        return _column(name, values, kind, used=False, reason=reason)
    column, drop = judge(name, values)
    if drop is None:
        return column
    kind, reason = drop
    if column.reason:
        reason = f"{reason}; {column.reason}"
    if keep:
        return replace(column, reason=f"kept, though {reason}")
    return replace(column, kind=kind, used=False, reason=reason, vocabulary=())


_Drop = tuple[Kind, str]
"""Which kind a column is that is no feature, and why it is none."""
_Judged = tuple[Column, _Drop | None]
"""A column as a feature, and why it is none after all."""


def _judge_of(arrow_type: Any) -> Callable[[str, pa.Array], _Judged] | None:
    if pa.types.is_dictionary(arrow_type):
        return _judge_text
    if pa.types.is_boolean(arrow_type):
        return _judge_booleans
    if pa.types.is_integer(arrow_type) or pa.types.is_floating(arrow_type):
        return _judge_numbers
    if pa.types.is_temporal(arrow_type):
        return _judge_times
    return None


def _column(name: str, values: pa.Array, kind: Kind, **entries: Any) -> Column:
    entries = {"type": str(values.type), "num_missing": values.null_count, **entries}
    return Column(name=name, kind=kind, **{"used": True, **entries})


def _constant(is_one_value: bool, num_missing: int, seen: str) -> _Drop | None:
    """Drop a column of one value, unless some rows lack it: that says something."""
    if is_one_value and num_missing == 0:
        return "constant", f"every row has {seen}"
    return None


def _judge_booleans(name: str, values: pa.Array) -> _Judged:
    share = pc.mean(values.cast(pa.int8())).as_py()
    seen, vocabulary = f"true in {share:.1%}", ("false", "true")
    column = _column(name, values, "boolean", seen=seen, vocabulary=vocabulary)
    value = "true" if share == 1 else "false"
    return column, _constant(share in (0, 1), values.null_count, value)


def _judge_text(name: str, values: pa.Array) -> _Judged:
    counts = text_counts(values)
    num_values = sum(counts.values())
    num_missing = len(values) - num_values
    most = (value for value, _ in counts.most_common(3))
    short = (value if len(value) <= 20 else value[:19] + "…" for value in most)
    examples = ", ".join(map(repr, short))
    by_count = sorted(counts, key=lambda value: (-counts[value], value))
    column = _column(
        name,
        values,
        "category",
        type="string",
        seen=f"{len(counts):,} values: {examples}"[:80],
        num_missing=num_missing,
        vocabulary=tuple(sorted(by_count[:VOCABULARY_CAP])),
    )
    drop = _constant(len(counts) == 1, num_missing, examples)
    if len(counts) == 0:
        drop = "constant", "no row has a value"
    elif len(counts) > max(CATEGORY_SHARE * num_values, 2):
        drop = _rarely_repeats(counts, num_values)
    return column, drop


def _rarely_repeats(counts: Counter[str], num_values: int) -> _Drop:
    characters = sum(map(len, counts)) / len(counts)
    words = sum(value.count(" ") + 1 for value in counts) / len(counts)
    differing = f"{len(counts):,} of {num_values:,} values differ"
    if characters > LONG_CHARACTERS or words > LONG_WORDS:
        return "text", f"it is text of {words:.0f} words on average"
    if len(counts) >= IDENTIFIER_SHARE * num_values:
        return "identifier", differing
    return "text", f"{differing}: too rarely the same to learn from"


def text_counts(values: pa.Array) -> Counter[str]:
    """Count the strings of a dictionary column; missing ones are left out."""
    strings = [*values.dictionary.to_pylist(), None]
    counts = np.bincount(places(values), minlength=len(strings)).tolist()
    by_string = {s: n for s, n in zip(strings, counts, strict=True) if n}
    for missing in (None, *MISSING_VALUES):
        by_string.pop(missing, None)
    return Counter(by_string)


def _judge_numbers(name: str, values: pa.Array) -> _Judged:
    low, high, num_missing = _ends(values)
    column = _column(name, values, "number", type="double", num_missing=num_missing)
    if low is None or high is None:
        return column, ("constant", "no row has a finite value")
    column = replace(column, **number_entries(values, low, high))
    drop = _constant(low == high, num_missing, f"the value {low:g}")
    if drop is None and pa.types.is_integer(values.type):
        drop = _handed_out(name, values.drop_null(), int(low), int(high))
    return column, drop


def number_entries(
    values: pa.Array, low: int | float, high: int | float
) -> dict[str, Any]:
    """Give what ``Column`` and ``Target`` store of numbers from ``low`` to ``high``."""
    integer = pa.types.is_integer(values.type)
    is_exact = max(abs(low), abs(high)) <= EXACT_FLOAT64
    return {
        "type": "int64" if integer and not is_exact else "double",
        "seen": f"{low:,} to {high:,}" if integer else f"{low:.5g} to {high:.5g}",
        "origin": origin_of(values, low, high),
    }


def _ends(values: pa.Array) -> tuple[Any, Any, int]:
    """Give the least and the largest finite number, and how many rows have none."""
    if pa.types.is_integer(values.type):
        ends = pc.min_max(values).as_py()
        return ends["min"], ends["max"], values.null_count
    numbers = numpy_of(values)
    low, high = np.fmin.reduce(numbers), np.fmax.reduce(numbers)
    if np.isinf(low) or np.isinf(high):
        numbers = np.where(np.isinf(numbers), np.nan, numbers)
        low, high = np.fmin.reduce(numbers), np.fmax.reduce(numbers)
    num_missing = int(np.count_nonzero(np.isnan(numbers)))
    if num_missing == len(numbers):
        return None, None, num_missing
    return float(low), float(high), num_missing


def origin_of(values: pa.Array, low: float, high: float) -> int | float:
    """Say what to subtract in 64 bits so that float32 keeps the differences: mostly 0.

    float32 holds 24 bits. Where values reach 2^24, or lie far from zero and close
    together, their median is subtracted. A stray -999 does not move the median.
    """
    largest = max(abs(low), abs(high))
    if largest < EXACT_FLOAT32 and largest < CLOSE_TOGETHER * (high - low):
        return 0
    if low == high or high - low > MAX_INT64:
        return 0
    numbers = numpy_of(values.drop_null())
    numbers = numbers[np.isfinite(numbers)]
    half = len(numbers) // 2  # no mean of two: large integers would become doubles
    middle: int | float = np.partition(numbers, half)[half].item()
    return middle


def _handed_out(name: str, values: pa.Array, low: int, high: int) -> _Drop | None:
    """Drop integers that were handed out to rows, and keep those that were measured."""
    count, spread = len(values), high - low + 1
    if any(start <= low and high <= end for start, end in UNIX_TIMES):
        return None
    may_count = low in (0, 1) and count == spread >= MIN_COUNTED_ROWS
    if may_count and (np.diff(numpy_of(values)) == 1).all():
        return "identifier", "it counts the rows"
    expected_repeats = count**2 / (2 * spread)
    is_expected = expected_repeats >= EXPECTED_REPEATS
    named = ID_NAME.search(name) is not None
    if spread < (1 - REPEATS_SHARE) * count or not (named or is_expected):
        return None
    start = values.slice(0, 10_000)
    if not named and len(start.unique()) < 0.9 * len(start):
        return None
    repeats = count - pc.count_distinct(values).as_py()
    few = min(REPEATS_SHARE * expected_repeats, (1 - IDENTIFIER_SHARE) * count)
    if repeats == 0:
        return "identifier", "every row has a number of its own"
    if is_expected and repeats < few:
        return "identifier", f"only {repeats:,} of {count:,} numbers repeat"
    return None


def _time_text(time: Any) -> str:
    """Write a time of Arrow's; Python's own dates end at the years 1 and 9999."""
    try:
        return str(time)
    except (OverflowError, ValueError):
        return f"{time.value} ({time.type} since 1970)"


def _judge_times(name: str, values: pa.Array) -> _Judged:
    ends = pc.min_max(values)
    low, high = ends["min"], ends["max"]
    seen = f"{_time_text(low)} to {_time_text(high)}"
    unit = time_unit(values.type)
    column = _column(name, values, "datetime", seen=seen, unit=unit)
    counts = ticks(values, column)
    numbers, per_s = numpy_of(counts.drop_null()), UNITS_PER_S[column.unit]
    if not (numbers % per_s).any():  # whole seconds, whatever the source counts in
        numbers, column = numbers // per_s, replace(column, unit="s")
    parts = _parts_that_vary(numbers // UNITS_PER_S[column.unit], column)
    column = replace(column, origin=int(numbers.min()), parts=parts)
    return column, _constant(low == high, values.null_count, _time_text(low))


def _parts_that_vary(seconds: npt.NDArray[np.int64], column: Column) -> tuple[str, ...]:
    """Choose the parts of a date that a model is given; a time of day has one."""
    if column.type.startswith(("time32", "time64")):
        return ("time_of_day",)
    days, seconds = np.divmod(seconds, SECONDS_A_DAY)
    span = int(days.max() - days.min())
    varies = {
        "time_of_day": bool((seconds != seconds[0]).any()),
        "weekday": bool(((days - days[0]) % 7).any()),
        "day_of_month": span >= MONTH_DAYS,
        "day_of_year": span >= SEASON_DAYS,
    }
    return tuple(name for name in PARTS if varies[name])
