"""Long columns of numbers that are nearly all written alike, read without a detour.

``as_written`` looks at each different text. In a long column of measurements nearly all
texts differ, and to tell them apart takes longer than to read the file. Here the way of
writing is told from some rows, all rows are read by it at once, and only what does not
fit is looked at text by text. Where that could mean anything else than what
``as_written`` says, the answer is left to it.
"""

import re

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from gradatim.tables.files.arrow import array_of, numpy_of, scalar
from gradatim.tables.schema.as_written import (
    Doubtful,
    Texts,
    spelling_of,
)
from gradatim.tables.schema.spelling import PERCENT, Spelling

__all__ = ["LONG_ROWS", "are_names", "quick_spelling", "read_quickly"]

# The numbers were chosen by hand, not measured.
LONG_ROWS = 5_000
"""Shorter columns are read text by text."""
FIRST_CAST = 100
"""So many values are tried first: Arrow takes long to fail where every value does."""
SAMPLE_ROWS = 1_000
"""The way of writing is told from so many rows."""


def quick_spelling(
    text: pa.Array, *, doubtful_points: bool
) -> tuple[Spelling, str] | None:
    """Tell from some rows how the numbers of a long column are written.

    None leaves it to ``spelling_of``, which looks at each different text.
    """
    if len(text) < LONG_ROWS:
        return None
    step = max(1, len(text) // SAMPLE_ROWS)
    places = array_of(np.arange(0, len(text), step), pa.int64())
    sample = text.take(places).dictionary_encode()
    found = spelling_of(sample, Texts.of(sample), doubtful_points=doubtful_points)
    if found is None or isinstance(found, Doubtful):
        return None
    spelling, reason = found
    may_be_other = "--number NAME" in reason
    if spelling.date or spelling.bounds or may_be_other:
        return None
    return found


def read_quickly(
    text: pa.Array, spelling: Spelling
) -> tuple[pa.Array, npt.NDArray[np.int64]] | None:
    """Read texts as numbers; give also the rows with a text that is read by no rule.

    None is the answer where the spelling cannot be read so.
    """
    if spelling.date or spelling.order or spelling.bounds:
        return None
    trimmed = pc.utf8_trim_whitespace(text)
    is_simple = not (spelling.unit or spelling.thousands)
    # A point would pass for the comma that it is replaced by.
    if is_simple and (spelling.decimal == "." or not _has(trimmed, ".")):
        numbers = _cast(pc.replace_substring(trimmed, spelling.decimal, "."))
        if numbers is not None:
            return numbers, np.empty(0, np.int64)
    fits = pc.fill_null(
        pc.match_substring_regex(trimmed, _pattern(spelling)), scalar(False, pa.bool_())
    )
    digits = trimmed
    if spelling.unit:
        digits = pc.replace_substring(digits, spelling.unit, "")
        digits = pc.utf8_trim_whitespace(digits)
    if spelling.thousands:
        digits = pc.replace_substring(digits, spelling.thousands, "")
    if spelling.decimal != ".":
        digits = pc.replace_substring(digits, spelling.decimal, ".")
    numbers = _cast(pc.if_else(fits, digits, scalar(None, pa.string())))
    if numbers is None:
        return None
    rest = pc.and_(text.is_valid(), pc.invert(fits))
    return numbers, np.flatnonzero(numpy_of(rest))


def are_names(text: pa.Array) -> bool:
    """Say whether whole numbers may be names: ``00501``, or more than 64 bits."""
    return bool(pc.any(pc.match_substring_regex(text, r"^\s*0\d|\d{19}")).as_py())


def _has(text: pa.Array, mark: str) -> bool:
    return bool(pc.any(pc.match_substring(text, mark)).as_py())


def _cast(digits: pa.Array) -> pa.Array | None:
    for kind in (pa.int64(), pa.float64()):
        try:
            digits.slice(0, FIRST_CAST).cast(kind)
            return digits.cast(kind)
        except pa.ArrowInvalid:
            continue
    return None


def _pattern(spelling: Spelling) -> str:
    """Give the expression of the numbers that are written most simply."""
    mark, point = re.escape(spelling.thousands), re.escape(spelling.decimal)
    unit = re.escape(spelling.unit)
    whole = rf"(?:[1-9]\d{{0,2}}(?:{mark}\d{{3}})+|\d+)" if mark else r"\d+"
    number = rf"[+-]?(?:{whole}(?:{point}\d*)?|{point}\d+)(?:[eE][+-]?\d+)?"
    if not unit:
        return f"^{number}$"
    may_lack = "" if spelling.unit in PERCENT else f"|{number}"
    return f"^(?:-?{unit} *{number}|{number} *{unit}{may_lack})$"
