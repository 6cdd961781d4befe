"""One way to write numbers, dates or ranks, and how texts are read by it.

A column of text is a column of numbers where nearly all of its values are written in
one way: with one decimal mark, one mark between thousands, one unit or currency. Which
way that is, ``as_written`` finds out; the schema stores it; and whatever is read later
is read in this way alone. A value that is written otherwise is missing, and named.
"""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from gradatim.errors import ConfigError
from gradatim.tables.files.arrow import array_of, numpy_of, scalar
from gradatim.tables.files.data_file import MISSING_VALUES

__all__ = [
    "MISSING_WORDS",
    "PERCENT",
    "NumberParts",
    "Spelling",
    "is_missing",
    "marks_fit",
    "marks_of",
    "read_numbers",
    "read_ranks",
    "take_apart",
    "tidied",
    "unit_key",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Spelling:
    """How the texts of one column are written; the default is a plain number."""

    decimal: str = "."
    """The decimal mark: ``.`` or ``,``."""
    thousands: str = ""
    """What stands between groups of three digits: nothing, ``,``, ``.``, ``'`` or a
    space."""
    unit: str = ""
    """The unit or currency, before or behind the number; ``%`` keeps the number that is
    printed. Upper and lower case, and the s of a plural, make no difference."""
    bounds: bool = False
    """Whether a value may be a bound such as ``>60``: the number, and a flag."""
    date: str = ""
    """The form of dates, as ``strptime`` has it; ``%q`` is a quarter. Empty for
    numbers."""
    order: tuple[str, ...] = ()
    """The words of an ordered column, from low to high: the first one is 0."""


MISSING_WORDS = (
    *("?", "-", "--", "---", ".", "..", "...", "…", "*", "/", "unknown", "none"),
    *("missing", "not available", "not applicable", "n.a.", "n.a", "n/a.", "na.", "nd"),
    *("n/d", "n.d.", "nil", "null", "nan", "undefined", "#div/0!", "#value!", "#ref!"),
    *(
        "#name?",
        "#num!",
        "#null!",
        "#n/a!",
        "k.a.",
        "k. a.",
        "tbd",
        "(null)",
        "(blank)",
    ),
)
"""Words, in lower case, that stand for a missing value in columns which are otherwise
numbers or dates. Elsewhere they are words like others."""

PERCENT = ("%", "‰")
"""Units that change the meaning of a number: it never stands without them."""

CODES = (
    "USD|EUR|GBP|JPY|CHF|CNY|INR|CAD|AUD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|BRL|RUB|TRY|ZAR|"
    "MXN|KRW|SGD|HKD"
)
CURRENCY = rf"(?:US|CA|AU|NZ|HK|[ACRS])?\p{{Sc}}|(?:{CODES})|Rs\.?|kr\.?|Kč|zł|Fr\.?"
"""What stands before a number that is money."""
MAX_DIGITS = 19
"""Whole numbers with so many digits may not fit into 64 bits."""
UNIT = r"[%‰°µ\p{L}\p{Sc}][^\d()<>=+,;:]{0,23}?[23]?"
"""What stands behind a number: a percent sign, a currency, a word such as ``km/h``."""
PARTS = r"^(?P<head>[^\d.,]*)(?P<digits>[\d.,' ]*)(?P<tail>[^\d.,' ].*)?$"
"""A text in three parts. Each character can begin one part alone, which RE2 takes apart
in 0.3 us a text; one expression for all that follows took 4 us."""
HEAD = (
    rf"^(?P<front>{CURRENCY})?\s*(?P<open>\()?\s*(?P<bound>>=|<=|[<>≥≤])?\s*"
    rf"(?P<sign>[+-])?\s*(?P<before>{CURRENCY})?\s*(?P<inner>[+-])?\s*$"
)
"""What may stand before the digits of a number."""
TAIL = (
    r"^(?P<exponent>[eE][+-]?\d+)?\s*(?P<end>[+-])?\s*"
    rf"(?P<after>{UNIT})?\s*(?P<close>\))?$"
)
"""What may stand behind them."""
DIGITS = r"^[.,]?\d(?:[\d.,' ]*\d)?[.,]?$"
INFINITE = r"^(?P<sign>[+-])?(?i:inf(?:inity)?)$"

EMPTY = scalar("", pa.string())

SAME_CHARACTERS = (
    ("[\u00a0\u2007\u2009\u202f]", " "),
    ("[\u2212\u2013]", "-"),
    ("[\u2019\u02bc\u2032]", "'"),
)
"""Spaces, minus signs and apostrophes of typesetters, and what they are read as."""


def tidied(texts: pa.Array) -> pa.Array:
    """Trim texts, and write minus signs and spaces as keyboards have them."""
    texts = pc.utf8_trim_whitespace(texts)
    if not pc.all(pc.string_is_ascii(texts)).as_py():
        for pattern, plain in SAME_CHARACTERS:
            texts = pc.replace_substring_regex(texts, pattern, plain)
    return texts


def is_missing(texts: pa.Array, words: tuple[str, ...] = MISSING_WORDS) -> Any:
    """Say which tidied texts stand for a missing value: ``words``, in any case."""
    always = pc.is_in(texts, value_set=array_of(MISSING_VALUES, pa.string()))
    by_word = pc.is_in(pc.utf8_lower(texts), value_set=array_of(words, pa.string()))
    return numpy_of(pc.or_(pc.or_(always, by_word), texts.is_null()))


@dataclass(frozen=True, slots=True)
class NumberParts:
    """Texts taken apart as numbers; every array has an entry for each text."""

    is_number: npt.NDArray[np.bool]
    """Whether the text is a number at all, whatever its marks and unit."""
    digits: pa.Array
    """The digits with their marks, without sign and unit."""
    exponent: pa.Array
    sign: npt.NDArray[np.int64]
    bound: npt.NDArray[np.int8]
    """1 for a bound from below (``>60``), -1 for one from above, else 0."""
    unit: npt.NDArray[np.int64]
    """The place of the unit in ``units``."""
    units: tuple[str, ...]
    """The units as they are compared: see ``unit_key``."""
    written: tuple[str, ...]
    """The same units as the file has them."""


def take_apart(texts: pa.Array) -> NumberParts:
    """Take tidied texts apart as numbers."""
    found = pc.extract_regex(texts, PARTS)
    digits = pc.fill_null(pc.struct_field(found, "digits"), EMPTY)
    digits = pc.utf8_trim_whitespace(digits)
    if pc.any(pc.match_substring_regex(digits, "^[.,] ")).as_py():  # as in "Rs. 500"
        digits = pc.replace_substring_regex(digits, "^[.,] +", "")
    is_number = numpy_of(pc.match_substring_regex(digits, DIGITS))
    head, head_place = _different(found, "head", HEAD)
    tail, tail_place = _different(found, "tail", TAIL)
    is_number &= numpy_of(head.is_valid())[head_place]
    is_number &= numpy_of(tail.is_valid())[tail_place]

    def has(name: str, *values: str) -> npt.NDArray[np.bool]:
        among = array_of(values, pa.string())
        is_head = name in ("front", "open", "bound", "sign", "before", "inner")
        part, place = (head, head_place) if is_head else (tail, tail_place)
        return numpy_of(pc.is_in(pc.struct_field(part, name), value_set=among))[place]

    is_number &= has("open", "(") == has("close", ")")
    minus = has("sign", "-") ^ has("inner", "-") ^ has("end", "-") ^ has("open", "(")
    below = has("bound", ">", ">=", "≥") | has("end", "+")
    above = has("bound", "<", "<=", "≤")
    exponent = pc.struct_field(tail, "exponent").take(array_of(tail_place, pa.int64()))
    unit, units, written = _units(head, head_place, tail, tail_place)
    infinite = pc.extract_regex(texts, INFINITE) if not is_number.all() else None
    if infinite is not None and infinite.null_count < len(texts):
        is_infinite = numpy_of(infinite.is_valid())
        sign = pc.fill_null(pc.struct_field(infinite, "sign"), EMPTY)
        minus = np.where(is_infinite, numpy_of(pc.starts_with(sign, "-")), minus)
        is_number |= is_infinite
        unit = np.where(is_infinite, units.index("") if "" in units else 0, unit)
        digits = pc.if_else(infinite.is_valid(), scalar("inf", pa.string()), digits)
    return NumberParts(
        is_number=is_number,
        digits=digits,
        exponent=pc.fill_null(exponent, EMPTY),
        sign=np.where(minus, -1, 1),
        bound=below.astype(np.int8) - above.astype(np.int8),
        unit=unit,
        units=units,
        written=written,
    )


def _different(
    found: Any, name: str, pattern: str
) -> tuple[Any, npt.NDArray[np.int64]]:
    """Take the different texts of a part apart; give also the place of each row's."""
    part = pc.fill_null(pc.struct_field(found, name), EMPTY).dictionary_encode()
    trimmed = pc.utf8_trim_whitespace(part.dictionary)
    return pc.extract_regex(trimmed, pattern), numpy_of(part.indices).astype(np.int64)


def _units(
    head: Any, head_place: Any, tail: Any, tail_place: Any
) -> tuple[npt.NDArray[np.int64], tuple[str, ...], tuple[str, ...]]:
    """Join what stands before and behind to units; see ``NumberParts``."""
    fronts, befores = (
        pc.fill_null(pc.struct_field(head, name), EMPTY).to_pylist()
        for name in ("front", "before")
    )
    afters = pc.fill_null(pc.struct_field(tail, "after"), EMPTY).to_pylist()
    pairs, unit = np.unique(
        head_place * max(1, len(afters)) + tail_place, return_inverse=True
    )
    keys: list[str] = []
    written: dict[str, str] = {}
    for head_at, tail_at in (divmod(int(pair), max(1, len(afters))) for pair in pairs):
        joined = (fronts[head_at] or befores[head_at]) + afters[tail_at]
        keys.append(unit_key(joined))
        written.setdefault(keys[-1], joined)
    units = tuple(written) or ("",)
    place = {key: index for index, key in enumerate(units)}
    places = np.array([place[key] for key in keys], np.int64)
    return places[unit], units, tuple(written.values()) or ("",)


def unit_key(unit: str) -> str:
    """Give a unit as it is compared: without case, spaces, plural and full stop.

    >>> unit_key("Lbs."), unit_key("km / h"), unit_key("s")
    ('lb', 'km/h', 's')
    """
    key = "".join(unit.lower().split()).rstrip(".")
    return key[:-1] if len(key) > 2 and key.endswith("s") else key


def marks_of(example: str) -> tuple[str, str]:
    """Tell decimal mark and mark between thousands from a number written with both.

    Of a single mark it is taken that it is the decimal one.

    Raises:
        ConfigError: The example is no such number.

    >>> marks_of("1.234,5"), marks_of("0,5"), marks_of("1 234 567")
    ((',', '.'), (',', ''), ('.', ' '))
    """
    marks = [each for each in example if each in ".,' "]
    digits = tidied(array_of([example], pa.string()))
    decimal, thousands = ".", ""
    if len(set(marks)) == 1 and (len(marks) > 1 or marks[0] in "' "):
        thousands = marks[0]
        decimal = "," if thousands == "." else "."
    elif marks:
        decimal, thousands = marks[-1], marks[0] if len(set(marks)) > 1 else ""
    fits = decimal in ".," and len(set(marks)) <= 2
    if not (fits and marks_fit(digits, decimal, thousands)[0]):
        raise ConfigError(
            f"{example!r} is no number that shows the marks of a column.\n"
            "Decimal mark and thousands are told from it.\n"
            "Write one such as 0.5, 0,5, 1,234.5, 1.234,5 or '1 234'."
        )
    return decimal, thousands


def marks_fit(digits: pa.Array, decimal: str, thousands: str) -> npt.NDArray[np.bool]:
    """Say which digits are written with these marks."""
    point, whole = re.escape(decimal), r"\d+"
    if thousands:
        mark = re.escape(thousands)
        whole = rf"(?:[1-9]\d{{0,2}}(?:{mark}\d{{3}})+|\d+"
        # In India the groups above the thousands have two digits.
        whole += r"|[1-9]\d?(?:,\d{2})+,\d{3})" if thousands == "," else ")"
    pattern = rf"^(?:{whole}(?:{point}\d*)?|{point}\d+|(?i:inf(?:inity)?))$"
    return numpy_of(pc.match_substring_regex(digits, pattern))


def read_numbers(
    parts: NumberParts, spelling: Spelling
) -> tuple[pa.Array, npt.NDArray[np.bool]]:
    """Read texts as numbers that are written in one way.

    Returns:
        The numbers, int64 where all are whole and else doubles, missing where a text is
        written otherwise; and which texts are written so.
    """
    units = np.array([_unit_fits(unit, spelling.unit) for unit in parts.units])
    fits = parts.is_number & units[parts.unit]
    fits &= marks_fit(parts.digits, spelling.decimal, spelling.thousands)
    if not spelling.bounds:
        fits &= parts.bound == 0
    digits = parts.digits
    if spelling.thousands:
        digits = pc.replace_substring(digits, spelling.thousands, "")
    if spelling.decimal != ".":
        digits = pc.replace_substring(digits, spelling.decimal, ".")
    digits = pc.binary_join_element_wise(digits, parts.exponent, EMPTY)
    digits = pc.if_else(array_of(fits, pa.bool_()), digits, scalar(None, pa.string()))
    kind = pa.float64()
    if not pc.any(pc.match_substring_regex(digits, rf"\D|\d{{{MAX_DIGITS}}}")).as_py():
        kind = pa.int64()
    return pc.multiply(digits.cast(kind), array_of(parts.sign, kind)), fits


def _unit_fits(unit: str, wanted: str) -> bool:
    return unit == unit_key(wanted) or (unit == "" and wanted not in PERCENT)


def read_ranks(
    texts: pa.Array, order: tuple[str, ...]
) -> tuple[pa.Array, npt.NDArray[np.bool]]:
    """Give the place of each text in ``order``, and which texts are there."""
    ranks = pc.index_in(texts, value_set=array_of(order, pa.string()))
    return ranks.cast(pa.int64()), numpy_of(ranks.is_valid())
