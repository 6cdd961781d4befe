"""The forms in which people write dates, and how texts are read by one of them.

A form is written as for ``strptime``: ``%d.%m.%Y``. Where it has no hour, a time of day
may follow (``31.12.2023 14:05``, also with AM or PM, and with a zone). Texts are taken
apart by one regular expression a form, all at once.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from gradatim.errors import ConfigError
from gradatim.tables.files.arrow import array_of, numpy_of, scalar

__all__ = [
    "DATE_FORMS",
    "TIME_OF_DAY",
    "Moments",
    "fits_form",
    "likely_forms",
    "read_moments",
]

DIRECTIVES = {
    "Y": r"(?P<year>\d{4})",
    "y": r"(?P<short_year>\d{2})",
    "m": r"(?P<month>\d{1,2})",
    "d": r"(?P<day>\d{1,2})",
    "j": r"(?P<day_of_year>\d{1,3})",
    "q": r"(?P<quarter>[1-4])",
    "b": r"(?P<name>\p{L}{3,9}\.?)",
    "a": r"(?:\p{L}{2,9}\.?)",
    "H": r"(?P<hour>\d{1,2})",
    "I": r"(?P<hour>\d{1,2})",
    "M": r"(?P<minute>\d{2})",
    "S": r"(?P<second>\d{2})(?P<fraction>[.,]\d{1,9})?",
    "f": r"(?P<digits>\d{1,9})",
    "p": r"(?P<half>[AaPp]\.?[Mm]\.?)",
    "z": r"(?P<zone>Z|UTC|GMT|[+-]\d\d(?::?\d\d)?)",
    "%": "%",
}
DIRECTIVES |= {"B": DIRECTIVES["b"], "h": DIRECTIVES["b"], "A": DIRECTIVES["a"]}
TIME = rf"{DIRECTIVES['H']}:{DIRECTIVES['M']}(?::{DIRECTIVES['S']})?"
TAIL = rf"(?:(?:,?\s+|T){TIME}\s*{DIRECTIVES['p']}?\s*{DIRECTIVES['z']}?)?"
"""What may follow a date: a time of day."""

TIME_OF_DAY = "%H:%M"
"""The form of a time of day without a date; seconds may follow."""
DATE_FORMS = (
    *("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%d.%m.%y"),
    *("%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%d/%m/%y", "%m/%d/%y"),
    *("%d-%m-%y", "%m-%d-%y"),
    *("%b %d, %Y", "%b %d %Y", "%d %b %Y", "%d. %b %Y", "%d-%b-%Y", "%d-%b-%y"),
    *("%b-%d-%Y", "%Y-%b-%d", "%d/%b/%Y", "%b/%d/%Y", "%Y/%b/%d", "%d.%b.%Y"),
    *("%d%b%Y", "%d%b%y", "%b %d %y", "%d %b %y", "%b, %Y", "%b/%Y", "%b/%y"),
    *("%d %b, %Y", "%a, %d %b %Y", "%a, %b %d, %Y", "%a %b %d, %Y", "%Y %b %d"),
    *("%YQ%q", "%Y-Q%q", "%Y Q%q", "Q%q %Y", "Q%q-%Y", "%YM%m", "%Y-%m", "%Y/%m"),
    *("%m/%Y", "%b %Y", "%b-%Y", "%Y %b", "%Y-%b", "%b-%y", TIME_OF_DAY),
)
"""The forms that are recognised. ``20230107`` is none: it is a number as well."""

MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july", "august"),
    *("september", "october", "november", "december"),
)
MONTH_NAMES = (*MONTHS, *(name[:3] for name in MONTHS), "sept")
"""The names of months, in lower case; ``%b`` takes the whole name, too."""
MONTH_NUMBERS = (*range(1, 13), *range(1, 13), 9)
FIRST_SHORT_YEAR = 69
"""The two digits of a year are 1969 to 2068, as POSIX has it."""
EMPTY = scalar("", pa.string())
DAY_US = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Moments:
    """Texts read by a form; every array has an entry for each text."""

    us: npt.NDArray[np.int64]
    """Microseconds since 1970 by the clock that the text shows, or since midnight."""
    fits: npt.NDArray[np.bool]
    offset_us: npt.NDArray[np.int64]
    """How far that clock is before UTC; 0 without a zone."""
    zoned: npt.NDArray[np.bool]
    """Whether the text has a zone."""
    is_time_of_day: bool

    def values(self, fits: npt.NDArray[np.bool], kind: Any = None) -> pa.Array:
        """Give an Arrow array with the moments that fit; the others are missing.

        Without ``kind`` it has the coarsest type that all of them have.
        """
        us = np.where(fits, self.us - self.offset_us, 0)
        unit = "us" if (us % 1_000_000).any() else "s"
        if kind is None and self.is_time_of_day:
            kind = pa.time32("s") if unit == "s" else pa.time64("us")
        elif kind is None:
            is_zoned = bool((self.zoned & fits).any())
            kind = pa.timestamp(unit, tz="UTC" if is_zoned else None)
        counts = pc.if_else(
            array_of(fits, pa.bool_()),
            array_of(us, pa.int64()),
            scalar(None, pa.int64()),
        )
        if self.is_time_of_day:
            return counts.cast(pa.time64("us")).cast(kind)
        whole = pa.timestamp("us", tz=getattr(kind, "tz", None))
        return counts.cast(whole).cast(kind, safe=False)


def pattern_of(form: str) -> str:
    """Turn a form into a regular expression.

    Raises:
        ConfigError: It has a directive that is not known, or no year.
    """
    return _compiled(form)[0]


def _compiled(form: str) -> tuple[str, tuple[str, ...]]:
    """Give the regular expression of a form, and the names of its groups."""
    if form == TIME_OF_DAY:
        return rf"^{TIME}$", _groups(TIME)
    pattern, directives = "", ""
    for text, directive in re.findall(r"([^%]+)|%(.?)", form):
        if text:
            pattern += re.sub(r"(?:\\?\s)+", r"\\s+", re.escape(text))
        elif directive in DIRECTIVES:
            pattern += DIRECTIVES[directive]
            directives += directive
        else:
            raise _unknown_form(form, f"the directive %{directive}, which is not known")
    tail = "" if {"H", "I"} & set(directives) else TAIL
    groups = tuple(
        group
        for part in (*(DIRECTIVES[each] for each in directives), tail)
        for group in _groups(part)
    )
    if not {"year", "short_year"} & set(groups):
        raise _unknown_form(form, "no year")
    if len(set(groups)) < len(groups):
        raise _unknown_form(form, "the same part twice")
    return f"^{pattern}{tail}$", groups


def _groups(pattern: str) -> tuple[str, ...]:
    return tuple(re.findall(r"\?P<(\w+)>", pattern))


def _unknown_form(form: str, what: str) -> ConfigError:
    return ConfigError(
        f"The form {form!r} of dates has {what}.\n"
        "Dates are read by it.\n"
        "Write it as for strptime, for example %d.%m.%Y, %m/%d/%y or %Y%m%d %H:%M."
    )


def likely_forms(texts: Sequence[str]) -> list[str]:
    """Choose the forms that half of some texts could have, by their characters alone.

    A regular expression takes 2 ms to be compiled, and ordinary text has none of these.

    >>> likely_forms(["word 7", "word 12"]), likely_forms(["31.12.2023", "1.2.23"])
    ([], ['%Y.%m.%d', '%d.%m.%Y', '%d.%m.%y'])
    """
    seen = [
        (
            text[:1].isalpha(),
            sum(map(str.isdecimal, text)),
            sum(map(str.isalpha, text)),
            frozenset(text),
        )
        for text in texts
    ]
    forms = []
    for form, (is_name, num_digits, num_letters, marks) in NEEDS.items():
        possible = sum(
            is_letter == is_name
            and digits >= num_digits
            and letters >= num_letters
            and marks <= characters
            for is_letter, digits, letters, characters in seen
        )
        if 2 * possible >= len(seen) > 0:
            forms.append(form)
    return forms


def _needs(form: str) -> tuple[bool, int, int, frozenset[str]]:
    """Say what a text of a form has: a letter first, digits, letters, these marks."""
    directives = re.findall(r"%(.)", form)
    marks = frozenset(re.sub(r"%.|\s", "", form))
    is_name = form.startswith(("%b", "%a", "Q"))
    num_digits = sum(LEAST_DIGITS.get(each, 0) for each in directives)
    return is_name, num_digits, 3 * directives.count("b"), marks


LEAST_DIGITS = {"Y": 4, "y": 2, "m": 1, "d": 1, "q": 1, "H": 1, "M": 2}
NEEDS = {form: _needs(form) for form in DATE_FORMS}


def fits_form(texts: pa.Array, form: str) -> npt.NDArray[np.bool]:
    """Say which tidied texts look as a form says; the day may still not exist."""
    return numpy_of(pc.match_substring_regex(texts, pattern_of(form)))


def read_moments(texts: pa.Array, form: str) -> Moments:
    """Read tidied texts as dates, or times of day, of one form.

    >>> texts = pa.array(["31.12.2023 14:05", "30.02.2023"])
    >>> read_moments(texts, "%d.%m.%Y").fits.tolist()
    [True, False]
    """
    pattern, names = _compiled(form)
    found = pc.extract_regex(texts, pattern)
    fits = numpy_of(found.is_valid())
    text = {name: pc.fill_null(pc.struct_field(found, name), EMPTY) for name in names}

    def number(name: str, default: int) -> npt.NDArray[np.int64]:
        if name not in text:
            return np.full(len(texts), default)
        empty = pc.equal(text[name], EMPTY)
        filled = pc.if_else(empty, scalar(str(default), pa.string()), text[name])
        return numpy_of(filled.cast(pa.int64())).copy()

    seconds_us, is_time = _time_us(text, number)
    fits = fits & is_time
    offset_us, zoned = _offset_us(text, len(texts))
    if form == TIME_OF_DAY:
        return Moments(seconds_us, fits, offset_us, zoned, True)
    days, is_day = _days(text, number)
    return Moments(days * DAY_US + seconds_us, fits & is_day, offset_us, zoned, False)


def _days(text: Any, number: Any) -> tuple[npt.NDArray[np.int64], Any]:
    """Count days since 1970; say also which of them there are."""
    year = number("year", 1970)
    if "short_year" in text:
        short = number("short_year", 0)
        year = np.where(short < FIRST_SHORT_YEAR, 2000, 1900) + short
    month, exists = number("month", 1), year > 0
    if "name" in text:
        name = pc.utf8_rtrim(pc.utf8_lower(text["name"]), ".")
        place = pc.index_in(name, value_set=array_of(MONTH_NAMES, pa.string()))
        exists = exists & numpy_of(place.is_valid())
        month = np.array(MONTH_NUMBERS)[
            numpy_of(place.fill_null(scalar(0, pa.int32())))
        ]
    if "quarter" in text:
        month = 3 * number("quarter", 1) - 2
    exists = exists & (month >= 1) & (month <= 12)
    months = np.where(exists, (year - 1970) * 12 + month - 1, 0)
    first, following = _first_days(months), _first_days(months + 1)
    day = number("day", 1)
    if "day_of_year" in text:
        day, following = number("day_of_year", 1), _first_days(months + 12)
    exists = exists & (day >= 1) & (first + day <= following)
    return np.where(exists, first + day - 1, 0), exists


def _first_days(months: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Give the day on which a month begins; both are counted from January 1970."""
    begins = months.astype("datetime64[M]").astype("datetime64[D]")
    days: npt.NDArray[np.int64] = begins.astype(np.int64)
    return days


def _time_us(text: Any, number: Any) -> tuple[npt.NDArray[np.int64], Any]:
    hour, minute, second = number("hour", 0), number("minute", 0), number("second", 0)
    exists = (hour < 24) & (minute < 60) & (second < 60)
    if "half" in text:
        half = pc.utf8_lower(text["half"])
        is_morning, is_evening = (numpy_of(pc.starts_with(half, each)) for each in "ap")
        exists &= ~(is_morning | is_evening) | ((hour >= 1) & (hour <= 12))
        hour = np.where(is_morning | is_evening, hour % 12, hour) + 12 * is_evening
    fraction = np.zeros(len(hour), np.int64)
    for name in {"fraction", "digits"} & set(text):
        digits = pc.replace_substring_regex(text[name], r"^[.,]", "")
        padded = pc.utf8_slice_codeunits(pc.utf8_rpad(digits, 6, "0"), 0, 6)
        fraction += numpy_of(padded.cast(pa.int64()))
    return ((hour * 60 + minute) * 60 + second) * 1_000_000 + fraction, exists


def _offset_us(
    text: Any, num_texts: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool]]:
    if "zone" not in text:
        return np.zeros(num_texts, np.int64), np.zeros(num_texts, np.bool)
    zone, zero = text["zone"], scalar("0", pa.string())
    found = pc.extract_regex(
        zone, r"^(?P<sign>[+-])(?P<hours>\d\d):?(?P<minutes>\d\d)?$"
    )

    def number(name: str) -> npt.NDArray[np.int64]:
        part = pc.fill_null(pc.struct_field(found, name), zero)
        part = pc.if_else(pc.equal(part, EMPTY), zero, part)
        return numpy_of(part.cast(pa.int64()))

    is_behind = numpy_of(pc.starts_with(zone, "-"))
    offset = number("hours") * 60 + number("minutes")
    offset = offset * 60_000_000 * np.where(is_behind, -1, 1)
    return offset, numpy_of(pc.not_equal(zone, EMPTY))
