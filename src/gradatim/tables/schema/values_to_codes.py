"""From the values of Arrow columns to tensors of codes, as a schema's columns say.

``Schema.encode`` says what the codes are.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import torch
from jaxtyping import Float, Int, Int64, Shaped
from torch import Tensor

from gradatim.errors import SchemaError
from gradatim.tables.files.arrow import (
    array_of,
    numpy_of,
    scalar,
)
from gradatim.tables.schema.columns import MISSING, UNSEEN, Column, arrow_type
from gradatim.tables.schema.ngrams import hashed_ngrams
from gradatim.tables.schema.typed_values import places, stands_for_missing
from gradatim.tables.schema.value_notices import ValueNotices

__all__ = [
    "LARGEST_FLOAT32",
    "NO_TIME",
    "UNITS_PER_S",
    "codes_of_column",
    "codes_of_texts",
    "less_origin",
    "ticks",
    "time_unit",
]

NO_TIME = torch.iinfo(torch.int64).min
"""The code of a time where a row has none."""

LARGEST_FLOAT32 = float(np.finfo(np.float32).max) / 2
"""Numbers beyond this one, or below its negative, are taken as infinite: float32 holds
the difference of any two others."""

UNITS_PER_S = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def codes_of_column(
    values: pa.Array, column: Column, notices: ValueNotices
) -> Shaped[Tensor, "rows *ngrams"]:
    """Turn the typed values of a column into its part of the tensor of its group."""
    if column.group == "texts":
        return codes_of_texts(values, column, notices)
    to_codes = {"numbers": _numbers, "categories": _categories, "times": _times}
    return to_codes[column.group](values, column, notices)


def codes_of_texts(
    values: pa.Array, column: Column, notices: ValueNotices
) -> Int[Tensor, "rows ngrams"]:
    """Give the hashed n-grams of each text, and nothing but 0 where it is missing."""
    strings = values.dictionary
    is_missing = numpy_of(pc.or_(stands_for_missing(strings), strings.is_null()))
    texts = [text or "" for text in strings.to_pylist()]
    ngrams, is_cut = hashed_ngrams(texts, column.num_ngrams)
    ngrams[is_missing] = 0
    at = places(values)  # of a missing text it is the place behind the last one
    ngrams = np.concatenate((ngrams, np.zeros_like(ngrams, shape=(1, ngrams.shape[1]))))
    _note(notices.missing, column, np.append(is_missing, True)[at])
    _note(notices.cut, column, np.append(is_cut & ~is_missing, False)[at])
    return torch.from_numpy(ngrams[at])


def _numbers(
    values: pa.Array, column: Column, notices: ValueNotices
) -> Float[Tensor, " rows"]:
    """Subtract the origin; give float32, with NaN where missing or infinite."""
    # Beyond float32's range is infinite; a NaN of any bits stays one.
    with np.errstate(over="ignore", invalid="ignore"):
        out = less_origin(values, column.origin).astype(np.float32)
    sizes = np.abs(out)
    if not (sizes <= LARGEST_FLOAT32).all():
        infinite = sizes > LARGEST_FLOAT32
        _note(notices.infinite, column, infinite)
        _note(notices.missing, column, np.isnan(out))
        out[infinite] = np.nan
    return torch.from_numpy(out)


def less_origin(values: pa.Array, origin: int | float) -> npt.NDArray[Any]:
    """Subtract the origin from the values in 64 bits; missing values are NaN."""
    if origin and pa.types.is_integer(values.type):
        try:
            values = pc.subtract_checked(values, scalar(origin, values.type))
            origin = 0
        except pa.ArrowInvalid:  # farther apart than 63 bits: doubles will do
            pass
    numbers = numpy_of(values)
    return numbers - float(origin) if origin else numbers


def _note(counts: dict[str, int], column: Column, rows: npt.NDArray[np.bool]) -> None:
    if count := int(np.count_nonzero(rows)):
        counts[column.name] = count


def _categories(
    values: pa.Array, column: Column, notices: ValueNotices
) -> Int64[Tensor, " rows"]:
    """Give the codes: 0 is missing, 1 is unseen, then comes the vocabulary in order."""
    if not pa.types.is_dictionary(values.type):  # booleans
        values = values.cast(pa.string()).dictionary_encode()
    strings = values.dictionary
    code_of, places_ = _code_of(strings, column.vocabulary), places(values)
    codes = code_of[places_]
    _note(notices.missing, column, codes == MISSING)
    _note(notices.unseen, column, codes == UNSEEN)
    if column.name in notices.unseen:
        counts = np.bincount(places_, minlength=len(code_of))
        counts[code_of != UNSEEN] = 0
        most = np.argsort(-counts, kind="stable")[:3]
        notices.unseen_examples[column.name] = [
            strings[int(place)].as_py() for place in most if counts[place]
        ]
    return torch.from_numpy(codes)


def _code_of(strings: pa.Array, vocabulary: Sequence[str]) -> npt.NDArray[np.int64]:
    """Give the code of each string and, at the end, the code of a missing one."""
    vocabulary_places = pc.index_in(strings, array_of(vocabulary, pa.string()))
    codes = numpy_of(vocabulary_places) + UNSEEN + 1  # NaN where not in the vocabulary
    codes = np.where(np.isnan(codes), UNSEEN, codes).astype(np.int64)
    codes[numpy_of(pc.or_(stands_for_missing(strings), strings.is_null()))] = MISSING
    return np.append(codes, MISSING)


def _times(
    values: pa.Array, column: Column, notices: ValueNotices
) -> Int64[Tensor, " rows"]:
    """Count units since the column's origin; ``NO_TIME`` where there is no time."""
    try:
        origin = scalar(column.origin, pa.int64())
        since = pc.subtract_checked(ticks(values, column), origin)
    except pa.ArrowInvalid as error:
        raise SchemaError(
            f"Column {column.name!r} has times that 64 bits cannot count in "
            f"{column.unit} from 1970: {error}.\n"
            "They would wrap around to other times.\n"
            "Leave out the values that are no times."
        ) from error
    if since.null_count:
        notices.missing[column.name] = since.null_count
    none = scalar(NO_TIME, pa.int64())
    return torch.from_numpy(numpy_of(since.fill_null(none)).copy())


def ticks(values: pa.Array, column: Column) -> pa.Array:
    """Count units since 1970, or since midnight for times of day.

    Times with a zone are taken as a clock on the wall shows them there, because the
    rhythms of people follow that clock. (Where clocks change, one hour of the year is
    missing and one comes twice.)
    """
    kind, int64 = values.type, pa.int64()
    if getattr(kind, "tz", None) is not None:
        zone = arrow_type(column.type).tz
        values = pc.local_timestamp(values.cast(pa.timestamp(kind.unit, tz=zone)))
    if pa.types.is_date(kind):
        values = values.cast(pa.timestamp("s"))
    has, wants = UNITS_PER_S[values.type.unit], UNITS_PER_S[column.unit]
    counts = values.cast(pa.int32()) if values.type.bit_width == 32 else values
    counts = counts.cast(int64)
    if wants >= has:
        return pc.multiply_checked(counts, scalar(wants // has, int64))
    numbers = numpy_of(counts.fill_null(scalar(0, int64)))
    earlier = numbers // (has // wants)  # towards the past, before 1970 as well
    return pc.if_else(counts.is_valid(), array_of(earlier, int64), scalar(None, int64))


def time_unit(kind: Any) -> str:
    """Give the unit that times of an Arrow type are counted in."""
    return "s" if pa.types.is_date(kind) else str(kind.unit)
