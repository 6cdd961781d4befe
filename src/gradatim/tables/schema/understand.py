"""What the values of a new column mean: as its owner says, or as they are written.

``column_kinds`` judges numbers, dates and categories. Here text that is written as
numbers or dates becomes such, and what the owner says of a column is obeyed.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from gradatim.errors import DataError
from gradatim.tables.files.arrow import array_of, numpy_of, scalar
from gradatim.tables.files.column_source import ColumnSource
from gradatim.tables.files.data_file import MISSING_VALUES
from gradatim.tables.schema.as_written import (
    NEARLY_ALL,
    Doubtful,
    Read,
    Texts,
    date_spelling,
    number_spelling,
    read_texts,
    spelling_of,
)
from gradatim.tables.schema.choices import ColumnChoices
from gradatim.tables.schema.quick_numbers import (
    LONG_ROWS,
    are_names,
    quick_spelling,
    read_quickly,
)
from gradatim.tables.schema.spelling import MISSING_WORDS, Spelling, take_apart
from gradatim.tables.schema.typed_values import (
    as_categories,
    first_failing,
    numbers_as_texts,
    places,
    stands_for_missing,
    stray_rows,
    without_words,
)
from gradatim.tables.schema.value_notices import MOST_NAMED, ValueNotices
from gradatim.text import listed, shortened

__all__ = ["Meaning", "doubt_error", "meaning_of", "quick_meaning"]


@dataclass(frozen=True, slots=True)
class Meaning:
    """The values of a column with the type that they are meant to have."""

    values: pa.Array
    spelling: Spelling | None = None
    """How they are written, where they are texts that the type alone does not tell."""
    missing: tuple[str, ...] = ()
    """What the owner says stands for a missing value."""
    reason: str = ""
    """How a value is read, where that may surprise."""
    is_said: bool = False
    """Whether the owner says what the column is: it is a feature then."""
    is_text: bool = False
    """Whether the owner says that it is text."""
    doubt: Doubtful | None = None
    """What the owner has to say before the column can be used."""
    bounds: npt.NDArray[np.int64] | None = None
    """For each row whether its number is a bound, if some are."""
    strays: tuple[int, list[tuple[int, str]]] = (0, [])
    """How many values are written otherwise, and the first ones with their rows."""
    words: dict[str, int] | None = None
    """How often a word such as ``?`` stands for a missing value."""

    def note(self, name: str, notices: ValueNotices) -> None:
        """Note what is missing because of how it is written."""
        if self.strays[0]:
            notices.note_strays(name, *self.strays)
        if self.words:
            notices.words[name] = self.words


def meaning_of(
    name: str, values: pa.Array, choices: ColumnChoices, source: ColumnSource
) -> Meaning:
    """Say what the plain values of a column mean.

    Raises:
        DataError: They cannot be what the owner says.
    """
    missing = choices.missing_of(name)
    if missing:
        values = without_words(values, missing)
    option, _ = choices.kind(name)
    if option in ("category", "text"):
        if pa.types.is_temporal(values.type) or pa.types.is_nested(values.type):
            raise _not_so(name, option, f"holds {values.type}")
        if option == "category":
            return Meaning(as_categories(values), missing=missing, is_said=True)
        if not pa.types.is_dictionary(values.type):
            raise _not_so(name, option, f"holds {values.type}")
        return Meaning(values, missing=missing, is_said=True, is_text=True)
    if option in ("number", "date", "ordered"):
        return _as_said(name, values, option, choices, source)
    if name in source.categories and not pa.types.is_temporal(values.type):
        return Meaning(as_categories(values), missing=missing)
    if not pa.types.is_dictionary(values.type):
        comma, reason = _of_commas(name, source)
        return Meaning(values, missing=missing, spelling=comma, reason=reason)
    texts = Texts.of(values)
    found = spelling_of(values, texts, doubtful_points=source.decimal_commas)
    if found is None:
        return Meaning(values, missing=missing)
    if isinstance(found, Doubtful):
        return Meaning(values, missing=missing, doubt=found)
    return _read(name, values, texts, found, missing, is_said=False)


def quick_meaning(
    name: str, values: pa.ChunkedArray, choices: ColumnChoices, source: ColumnSource
) -> Meaning | None:
    """Do the same for a long column of numbers that are nearly all written alike.

    None leaves it to ``meaning_of``: so it is wherever the two might differ.
    """
    is_text = pa.types.is_string(values.type) and len(values) >= LONG_ROWS
    if not is_text or choices.kind(name)[0] or choices.missing_of(name):
        return None
    text = values.combine_chunks()
    found = quick_spelling(text, doubtful_points=source.decimal_commas)
    quick = None if found is None else read_quickly(text, found[0])
    if found is None or quick is None:
        return None
    (spelling, reason), (numbers, rows) = found, quick
    others = text.take(array_of(rows, pa.int64())).dictionary_encode()
    texts = Texts.of(others)
    if (take_apart(texts.tidy).is_number & (texts.counts > 0)).any():
        return None
    num_values = len(numbers) - numbers.null_count + texts.total
    if texts.total > (1 - NEARLY_ALL) * num_values:
        return None
    if pa.types.is_integer(numbers.type) and are_names(text):
        return None
    is_stray = np.append(texts.counts > 0, False)[places(others)]
    strays = rows[is_stray]
    words = _words(texts)
    is_plain = spelling == Spelling() and not (len(strays) or words)
    first = [(int(row), text[int(row)].as_py()) for row in strays[:MOST_NAMED]]
    return Meaning(
        numbers,
        spelling=None if is_plain else spelling,
        reason=reason,
        strays=(len(strays), first),
        words=words,
    )


def _as_said(
    name: str,
    values: pa.Array,
    option: str,
    choices: ColumnChoices,
    source: ColumnSource,
) -> Meaning:
    """Read a column as the numbers, dates or ranks that its owner says it holds."""
    missing, said = choices.missing_of(name), choices.spelling(name)
    if option == "number" and not pa.types.is_dictionary(values.type):
        if pa.types.is_temporal(values.type) or pa.types.is_nested(values.type):
            raise _not_so(name, option, f"holds {values.type}")
        if pa.types.is_boolean(values.type):
            values = values.cast(pa.int64())
        return Meaning(values, missing=missing, is_said=True)
    if option == "date" and pa.types.is_temporal(values.type):
        return Meaning(values, missing=missing, is_said=True)
    values = numbers_as_texts(values)
    if not pa.types.is_dictionary(values.type):
        raise _not_so(name, option, f"holds {values.type}")
    texts = Texts.of(values, words=() if option == "ordered" else MISSING_WORDS)
    found: tuple[Spelling, str] | Doubtful | None
    if option == "number":
        marks = None if said is None else (said.decimal, said.thousands)
        found = number_spelling(texts, marks, source.decimal_commas)
    elif option == "date":
        found = date_spelling(texts, "" if said is None else said.date)
    else:
        assert said is not None
        found = said, ""
    if isinstance(found, Doubtful):
        raise doubt_error(name, found)
    if found is None:
        most = texts.most(texts.counts > 0)
        raise _not_so(name, option, f"holds {most!r} and other values that are none")
    meaning = _read(name, values, texts, found, missing, is_said=True)
    if option == "ordered" and meaning.strays[0]:
        row, text = meaning.strays[1][0]
        where = source.where([row])[0]
        raise DataError(
            f"The column {name!r} has the value {text!r} ({where}), which is not in "
            f"the order {listed(found[0].order)}.\n"
            "Its place among the others is not known.\n"
            "Put it into --ordered, or say that it is missing: "
            f"--missing '{name}={text}'."
        )
    return meaning


def _not_so(name: str, option: str, what: str) -> DataError:
    words = {"category": "a category", "number": "numbers", "date": "dates"}
    return DataError(
        f"The column {name!r} is said to be {words.get(option, option)}, but {what}.\n"
        "Most of its values could not be read.\n"
        f"Leave out --{option} {name}, or correct the values."
        + (f" Dates of one form: --date {name}=%d.%m.%Y." if option == "date" else "")
    )


def _read(
    name: str,
    values: pa.Array,
    texts: Texts,
    found: tuple[Spelling, str],
    missing: tuple[str, ...],
    *,
    is_said: bool,
) -> Meaning:
    spelling, reason = found
    read = read_texts(texts, spelling)
    words = _words(texts)
    meant = read.values.take(values.indices)
    has_strays = bool(read.strays.any())
    is_plain = not (is_said or has_strays or words) and _is_plain(
        values, spelling, read
    )
    bounds = None
    if spelling.bounds:
        flags = array_of(read.bounds, pa.int8()).take(values.indices).cast(pa.int64())
        bounds = numpy_of(pc.fill_null(flags, scalar(0, pa.int64())))
    rows = stray_rows(values, read)[:MOST_NAMED].tolist() if has_strays else []
    first = [(row, values[row].as_py()) for row in rows]
    return Meaning(
        meant,
        spelling=None if is_plain else spelling,
        missing=missing,
        reason="" if is_plain else reason.replace("--number NAME", f"--number {name}"),
        is_said=is_said,
        bounds=bounds,
        strays=(texts.rows(read.strays), first),
        words=words,
    )


def _words(texts: Texts) -> dict[str, int]:
    """Count the words that stand for a missing value here, and not everywhere."""
    counted = {
        texts.tidy[int(place)].as_py(): int(texts.missing[place])
        for place in np.flatnonzero(texts.missing)
    }
    return {
        shortened(word, 40): count
        for word, count in counted.items()
        if word not in MISSING_VALUES
    }


def _is_plain(values: pa.Array, spelling: Spelling, read: Read) -> bool:
    """Say whether Arrow reads all texts so by their type alone, as in a clean file."""
    if not spelling.date and spelling != Spelling():
        return False
    text = pc.utf8_trim_whitespace(values.dictionary)
    text = pc.if_else(stands_for_missing(text), scalar(None, pa.string()), text)
    return first_failing(text, read.values.type) is None


def _of_commas(name: str, source: ColumnSource) -> tuple[Spelling | None, str]:
    """Tell of doubles whether they were written with commas, or may be thousands."""
    if name in source.read_commas:
        example = source.read_commas[name]
        number = float(example.replace(",", "."))
        return Spelling(decimal=","), f"{example!r} is {number:.15g}"
    if name not in source.doubtful:
        return None, ""
    value = source.doubtful[name]
    whole = value.replace(".", "")
    return None, f"{value!r} is {value}; if it is {whole}: --number {name}=1.234,5"


def doubt_error(name: str, doubt: Doubtful) -> DataError:
    """Make the error of a column whose owner has to say what it is."""
    options = " or ".join(option.replace("NAME", name) for option in doubt.options)
    return DataError(
        f"The column {name!r} {doubt.what}.\n{doubt.why}\nSay what it is: {options}."
    )
