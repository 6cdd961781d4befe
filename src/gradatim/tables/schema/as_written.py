"""Whether a column of text holds numbers or dates, and how these are written.

All different values are looked at, each with the number of its rows. Where nearly all
rows are written in one way, as ``spelling`` and ``date_forms`` know them, the column is
one of numbers or dates; a value that is written otherwise is missing, and named. What
could mean two things is said, or refused with what to do: nothing is guessed in
silence.
"""

import unicodedata
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from gradatim.tables.files.arrow import array_of, numpy_of
from gradatim.tables.schema.date_forms import (
    DATE_FORMS,
    TIME_OF_DAY,
    Moments,
    fits_form,
    likely_forms,
    read_moments,
)
from gradatim.tables.schema.spelling import (
    MISSING_WORDS,
    PERCENT,
    NumberParts,
    Spelling,
    is_missing,
    marks_fit,
    read_numbers,
    read_ranks,
    take_apart,
    tidied,
    unit_key,
)
from gradatim.text import listed, shortened

__all__ = [
    "NEARLY_ALL",
    "Doubtful",
    "Read",
    "Texts",
    "date_spelling",
    "number_spelling",
    "read_texts",
    "spelling_of",
]

# The numbers were chosen by hand, not measured.
NEARLY_ALL = 0.9
"""Where a smaller share of a text column's rows are numbers, it is meant to be text."""
SAID_SHARE = 0.5
"""Of a column that its owner says is one of numbers or dates, so many are."""
SAMPLE_ROWS = 1_000
"""A first look at so many rows tells ordinary text from what may be numbers."""
LIKELY_TEXTS = 50
"""So many of them tell which forms of dates are tried at all."""
SAMPLE_SHARE = 0.7
"""Where fewer of them look so, ``NEARLY_ALL`` of all rows cannot."""
LEAST_NUMBERS = 3
"""A column with stray words holds at least so many different numbers: fewer may be a
``0`` or ``1`` that stands among names."""
LARGEST_WHOLE = 18
"""Whole numbers of more digits are names: as doubles they would lose digits."""

MARKS = (
    *((".", ""), (".", ","), (",", ""), (",", "."), (".", " "), (",", " ")),
    *((".", "'"), (",", "'")),
)
"""Decimal mark and mark between thousands; where two pairs fit, the first is taken."""
OTHER_MARKS = {(".", ","): (",", ""), (".", ""): (",", ".")}
"""What may be meant where the first pair fits as well as the second."""
FORMS_OF_NUMBERS = ("%Y%m%d", "%Y%m", "%Y")
"""Forms of dates that are numbers as well: the owner has to say that they are dates."""
AS_PROGRAMS_WRITE = ("%Y-%m-%d", TIME_OF_DAY)
"""Forms that surprise nobody."""
SWAPPED = {
    form: form.replace("%d", "%_").replace("%m", "%d").replace("%_", "%m")
    for form in DATE_FORMS
    if form.startswith(("%d/%m", "%m/%d", "%d-%m", "%m-%d"))
}
"""Forms whose day and month may be the other way round."""
UNITS = frozenset(
    map(
        unit_key,
        (
            *("g", "kg", "mg", "t", "lb", "oz", "st", "km", "m", "cm", "mm", "mi"),
            *(
                "mile",
                "yd",
                "ft",
                "in",
                "inch",
                "l",
                "ml",
                "cl",
                "dl",
                "gal",
                "h",
                "hr",
            ),
            *("hour", "min", "minute", "s", "sec", "ms", "d", "day", "week", "month"),
            *("year", "yr", "kwh", "wh", "kw", "w", "hp", "ps", "bhp", "c", "f", "k"),
            *("km/h", "kmh", "mph", "kmpl", "mpg", "m²", "m2", "sqm", "ft²", "ft2"),
            *("sqft", "cc", "b", "kb", "mb", "gb", "tb", "bn", "mn", "million"),
            *("billion", "thousand", "usd", "eur", "gbp", "jpy", "chf", "cny", "inr"),
            *("cad", "aud", "nzd", "sek", "nok", "dkk", "pln", "czk", "huf", "brl"),
            *("rub", "try", "zar", "mxn", "krw", "sgd", "hkd", "rs", "kr", "kč", "zł"),
            *("fr", "euro", "dollar", *PERCENT),
        ),
    )
)
"""Words that are a unit for certain: numbers with two of them cannot be compared."""


@dataclass(frozen=True, slots=True)
class Texts:
    """The different texts of a column, tidied, and how often each occurs."""

    written: pa.Array
    tidy: pa.Array
    counts: npt.NDArray[np.int64]
    """Rows by text; 0 for texts that stand for a missing value."""

    missing: npt.NDArray[np.int64]
    """Rows by text, of the texts that stand for a missing value."""

    @classmethod
    def of(cls, values: pa.Array, *, words: tuple[str, ...] = MISSING_WORDS) -> "Texts":
        """Take them from a dictionary of strings; ``words`` stand for missing ones."""
        written = values.dictionary
        tidy = tidied(written)
        indices = values.indices.drop_null() if values.null_count else values.indices
        counts = np.bincount(numpy_of(indices), minlength=len(written))
        absent = is_missing(tidy, words)
        return cls(
            written, tidy, np.where(absent, 0, counts), np.where(absent, counts, 0)
        )

    @property
    def total(self) -> int:
        """How many rows have a value."""
        return int(self.counts.sum())

    def rows(self, among: npt.NDArray[np.bool]) -> int:
        """Count the rows of some of the texts."""
        return int(self.counts[among].sum())

    def top(self, among: npt.NDArray[np.bool]) -> int:
        """Give the place of the text of most rows among some."""
        return int(np.argmax(np.where(among, self.counts, -1)))

    def most(self, among: npt.NDArray[np.bool]) -> str:
        """Give the text of most rows among some."""
        return shortened(self.written[self.top(among)].as_py(), 40)


@dataclass(frozen=True, slots=True)
class Doubtful:
    """What a column could mean, so that its owner has to say it."""

    what: str
    """What happened, with values."""
    why: str
    options: tuple[str, ...]
    """What may be said: ``--date NAME=%d/%m/%Y`` and the like, without the name."""


@dataclass(frozen=True, slots=True)
class Read:
    """The different texts of a column, read by its spelling."""

    values: pa.Array
    """Numbers, times or dates, missing where a text has none."""
    strays: npt.NDArray[np.bool]
    """Which texts are no missing values and are written otherwise."""
    bounds: npt.NDArray[np.int8]
    """1 where a number is a bound from below, -1 from above."""


def read_texts(texts: Texts, spelling: Spelling, kind: Any = None) -> Read:
    """Read the different texts of a column by its spelling, dates as type ``kind``."""
    has_value = texts.counts > 0
    bounds = np.zeros(len(texts.tidy), np.int8)
    if spelling.order:
        values, fits = read_ranks(texts.tidy, spelling.order)
    elif spelling.date:
        moments = read_moments(texts.tidy, spelling.date)
        fits = moments.fits & has_value
        zoned = None if kind is None else getattr(kind, "tz", None) is not None
        fits = _of_one_clock(moments, fits, texts, zoned)
        values = moments.values(fits, kind)
    else:
        parts = take_apart(texts.tidy)
        values, fits = read_numbers(parts, spelling)
        bounds = np.where(fits, parts.bound, 0).astype(np.int8)
    strays = has_value & ~fits
    if not has_value.all():
        mask = array_of(has_value, pa.bool_())
        values = pc.if_else(mask, values, pa.nulls(1, values.type)[0])
        bounds = np.where(has_value, bounds, 0).astype(np.int8)
    return Read(values, strays, bounds)


def _of_one_clock(
    moments: Moments, fits: Any, texts: Texts, zoned: bool | None
) -> npt.NDArray[np.bool]:
    """Leave out times without a zone where most have one, and the reverse."""
    if zoned is None:
        zoned = 2 * texts.rows(fits & moments.zoned) > texts.rows(fits)
    among: npt.NDArray[np.bool] = fits & (moments.zoned == zoned)
    return among


def number_spelling(
    texts: Texts, example: tuple[str, str] | None, doubtful_points: bool
) -> tuple[Spelling, str] | Doubtful | None:
    """Find out how numbers are written in a column that is said to hold them.

    ``example`` has the marks, where they are said; None is the answer where fewer than
    half of the rows are numbers.
    """
    return _numbers(texts, doubtful_points, SAID_SHARE, example)


def date_spelling(texts: Texts, form: str) -> tuple[Spelling, str] | Doubtful | None:
    """Do the same for dates; ``form`` is empty where none is said."""
    forms = [form] if form else [*DATE_FORMS, *FORMS_OF_NUMBERS]
    return _dates(texts, forms, SAID_SHARE)


def spelling_of(
    values: pa.Array, texts: Texts, *, doubtful_points: bool = False
) -> tuple[Spelling, str] | Doubtful | None:
    """Find out how numbers or dates of a column are written; None for other text.

    Args:
        values: A dictionary of strings.
        texts: Its different texts.
        doubtful_points: Whether other columns have decimal commas, so that ``1.234``
            may be a thousand.

    Returns:
        The spelling, and a few words on how a value is read, if that may surprise.
    """
    sample = _sample(values, texts)
    if sample is None:
        return None
    if sample.rows(take_apart(sample.tidy).is_number) >= SAMPLE_SHARE * sample.total:
        found = _numbers(texts, doubtful_points)
        if found is not None:
            return found
    step = max(1, len(sample.tidy) // LIKELY_TEXTS)
    likely = likely_forms(sample.tidy.to_pylist()[::step])
    return _dates(texts, [form for form in likely if _may_fit(sample, form)])


def _sample(values: pa.Array, texts: Texts) -> Texts | None:
    """Take some rows; None where most of them have no digit, as ordinary text."""
    places = numpy_of(values.indices.drop_null())
    sample = places[:: max(1, len(places) // SAMPLE_ROWS)].astype(np.int64)
    some, counts = np.unique(sample[texts.counts[sample] > 0], return_counts=True)
    if len(some) == 0:
        return None
    tidy = texts.tidy.take(array_of(some, pa.int64()))
    has_digit = numpy_of(pc.match_substring_regex(tidy, r"\d"))
    if counts[has_digit].sum() < SAMPLE_SHARE * counts.sum():
        return None
    return Texts(tidy, tidy, counts, np.zeros_like(counts))


def _may_fit(sample: Texts, form: str) -> bool:
    return sample.rows(fits_form(sample.tidy, form)) >= SAMPLE_SHARE * sample.total


def _numbers(
    texts: Texts,
    doubtful_points: bool,
    share: float = NEARLY_ALL,
    marks: tuple[str, str] | None = None,
) -> tuple[Spelling, str] | Doubtful | None:
    has_value, least = texts.counts > 0, share * texts.total
    is_said = share < NEARLY_ALL
    parts = take_apart(texts.tidy)
    is_number = parts.is_number & has_value
    if texts.rows(is_number) < least:
        return None
    unit = _unit(texts, parts, is_number, least)
    if unit is None or isinstance(unit, Doubtful):
        return unit
    spelling, other = _marks(texts, parts, is_number, unit, marks)
    values, fits = read_numbers(parts, spelling)
    fits &= has_value
    num_fitting, strays = texts.rows(fits), has_value & ~fits
    is_bound = fits & (parts.bound != 0)
    spelling = replace(spelling, bounds=bool(is_bound.any()))
    if num_fitting < max(least, 1):
        return None
    if not is_said and (
        (strays.any() and fits.sum() < LEAST_NUMBERS)
        or 2 * texts.rows(is_bound) > num_fitting  # "<=50K" and ">50K" are classes
        or _are_names(parts, fits, spelling)
    ):
        return None
    if spelling.thousands == "" and not doubtful_points:
        other = None
    odd = fits & ~_is_plain(texts, parts)
    if other is not None:
        mark = spelling.thousands or spelling.decimal
        odd = fits & numpy_of(pc.match_substring(parts.digits, mark))
    if not odd.any():
        return spelling, ""
    place = texts.top(odd)
    said = f"{texts.most(odd)!r} is {values[place].as_py():.15g}"
    if other is not None:
        decimal, thousands = other
        values, _ = read_numbers(
            parts, replace(spelling, decimal=decimal, thousands=thousands)
        )
        example = "1.234,5" if thousands else "1,5"
        said += f"; if it is {values[place].as_py():.15g}: --number NAME={example}"
    return spelling, said


def _is_plain(texts: Texts, parts: NumberParts) -> npt.NDArray[np.bool]:
    """Say which texts are numbers as programs write them, which surprise nobody."""
    no_unit = np.array([unit == "" for unit in parts.units])[parts.unit]
    starts = numpy_of(pc.match_substring_regex(texts.tidy, r"^[+-]?[\d.]"))
    plain: npt.NDArray[np.bool] = marks_fit(parts.digits, ".", "") & no_unit & starts
    return plain & (parts.bound == 0)


def _unit(
    texts: Texts, parts: NumberParts, is_number: Any, least: float
) -> str | Doubtful | None:
    """Give the one unit of the numbers; None where other words follow them."""
    rows = np.bincount(parts.unit[is_number], texts.counts[is_number], len(parts.units))
    present = {unit: n for unit, n in zip(parts.units, rows, strict=True) if n}
    written = dict(zip(parts.units, parts.written, strict=True))
    known = [unit for unit in present if unit in UNITS or _has_currency(unit)]
    num_bare = present.get("", 0)
    of_percent = [unit for unit in known if unit in PERCENT]
    if len(known) > 1 or (of_percent and num_bare):
        if num_bare + sum(present[unit] for unit in known) < least:
            return None
        kinds = [unit for unit in ("", *known) if unit or num_bare]
        examples = listed(
            [
                texts.most(is_number & (parts.unit == parts.units.index(unit)))
                for unit in kinds
            ]
        )
        names = [written[unit] or "no unit" for unit in kinds]
        counts = " and ".join(
            f"{int(present[unit]):,} with {name}"
            for unit, name in zip(kinds, names, strict=True)
        )
        return Doubtful(
            f"mixes numbers of different units: {counts} (as {examples})",
            "Taken for the same quantity, they would be wrong by a factor.",
            ("--category NAME", "--drop NAME"),
        )
    main = max(present, key=lambda unit: present[unit])
    if main == "" and known:
        main = known[0]
    return written[main]


def _has_currency(unit: str) -> bool:
    return any(unicodedata.category(each) == "Sc" for each in unit)


def _marks(
    texts: Texts,
    parts: NumberParts,
    is_number: Any,
    unit: str,
    said: tuple[str, str] | None,
) -> tuple[Spelling, tuple[str, str] | None]:
    """Choose the marks with which most rows are written, and what else may be meant."""
    if said is not None:
        decimal, thousands = said
        return Spelling(
            decimal=decimal, thousands=thousands, unit=unit, bounds=True
        ), None
    rows = {}
    for decimal, thousands in MARKS:
        rows[decimal, thousands] = texts.rows(
            is_number & marks_fit(parts.digits, decimal, thousands)
        )
    best = max(MARKS, key=lambda marks: rows[marks])
    other = OTHER_MARKS.get(best)
    if other is not None:
        mark = best[1] or best[0]
        has_mark = numpy_of(pc.match_substring(parts.digits, mark))
        if rows[other] < rows[best] or not (has_mark & is_number).any():
            other = None
    return Spelling(decimal=best[0], thousands=best[1], unit=unit, bounds=True), other


def _are_names(parts: NumberParts, fits: Any, spelling: Spelling) -> bool:
    """Say whether whole numbers are names: ``00501``, or more than 64 bits."""
    if spelling.unit or spelling.thousands:
        return False
    digits = parts.digits.filter(array_of(fits, pa.bool_()))
    if pc.any(pc.match_substring_regex(digits, r"\D")).as_py():
        return False
    names = rf"^0\d|\d{{{LARGEST_WHOLE + 1}}}"
    return bool(pc.any(pc.match_substring_regex(digits, names)).as_py())


def _dates(
    texts: Texts, forms: list[str], share: float = NEARLY_ALL
) -> tuple[Spelling, str] | Doubtful | None:
    has_value, least = texts.counts > 0, share * texts.total
    moments = {form: read_moments(texts.tidy, form) for form in forms}
    found = {
        form: _of_one_clock(each, each.fits & has_value, texts, None)
        for form, each in moments.items()
    }
    if not found:
        return None
    best = max(found, key=lambda form: texts.rows(found[form]))
    fits, swapped = found[best], SWAPPED.get(best, "")
    if swapped in found:
        doubt = _day_or_month(texts, best, fits, swapped, found[swapped], least)
        if doubt is not None:
            return doubt
    if texts.rows(fits) < max(least, 1):
        return None
    if best in AS_PROGRAMS_WRITE:
        return Spelling(date=best), ""
    value = moments[best].values(fits)[texts.top(fits)]
    return Spelling(date=best), f"{texts.most(fits)!r} is {value}"


def _day_or_month(
    texts: Texts, form: str, fits: Any, swapped: str, fits_swapped: Any, least: float
) -> Doubtful | None:
    """Ask where day and month could be either, or are once this and once that."""
    only, only_swapped = fits & ~fits_swapped, fits_swapped & ~fits
    if texts.rows(fits | fits_swapped) < least:
        return None
    if not only.any():
        what = (
            f"has dates such as {texts.most(fits)!r}, whose day and month are both at "
            "most 12 in every row"
        )
    elif texts.rows(fits) < least:
        what = (
            f"has dates of two forms: {texts.most(only)!r} is {form}, and "
            f"{texts.most(only_swapped)!r} is {swapped}"
        )
    else:
        return None
    forms = tuple(f"--date NAME={each}" for each in sorted((form, swapped)))
    return Doubtful(what, "Read the other way round it would be another day.", forms)
