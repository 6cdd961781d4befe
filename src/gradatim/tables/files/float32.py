"""Doubles made float32 right after a text file was read, so that memory holds less.

pyarrow reads a text file block by block, so the rows of a block lie together in memory.
If the doubles were narrowed column by column, all blocks would stay in memory until the
last column is done. They are narrowed in the order of the rows: a block's memory is
free as soon as its floats are made.
"""

from collections.abc import Callable, Collection

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from gradatim.tables.files.arrow import array_of, numpy_of
from gradatim.tables.files.column_source import ColumnSource

__all__ = ["narrowed", "needs_doubles"]

LARGE = 1 << 23
CLOSE_TOGETHER = 64
"""``column_kinds.origin_of`` subtracts an origin from twice these numbers on. Half of
them is on the safe side here: where it is in doubt, doubles are kept."""


def narrowed(
    columns: dict[str, pa.ChunkedArray],
    num_rows: int,
    *,
    doubles: Collection[str],
    read_again: Callable[[list[str]], pa.Table] | None,
) -> ColumnSource:
    """Make a source of ``columns``, which it empties, with float32 in place of doubles.

    NaN stands where there is no number. The columns called ``doubles`` stay so;
    ``read_again`` reads others once more where float32 turns out to lose differences.
    It is None where that is known not to happen.
    """
    order = tuple(columns)
    narrow = [
        name
        for name, values in columns.items()
        if name not in doubles and pa.types.is_float64(values.type)
    ]
    for name in columns.keys() - narrow:
        columns[name] = _moved(columns[name])
    floats = _floats({name: columns.pop(name) for name in narrow}, num_rows)
    doubtful = [name for name in narrow if needs_doubles(floats[name])]
    if doubtful and read_again is not None:
        table = read_again(doubtful)
        for name in doubtful:
            del floats[name]
            columns[name] = table[name]

    def take(name: str) -> pa.ChunkedArray:
        if name in columns:
            return columns.pop(name)
        return pa.chunked_array([array_of(floats.pop(name), pa.float32())])

    return ColumnSource(order, num_rows, take)


def _moved(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Copy a column: a piece that stayed would keep its whole block in memory."""
    whole = values.combine_chunks()
    return whole if isinstance(whole, pa.ChunkedArray) else pa.chunked_array([whole])


def _floats(
    doubles: dict[str, pa.ChunkedArray], num_rows: int
) -> dict[str, npt.NDArray[np.float32]]:
    """Narrow in the order of the rows, and free each piece of ``doubles``."""
    floats = {name: np.empty(num_rows, dtype=np.float32) for name in doubles}
    ends = dict.fromkeys(doubles, 0)
    pool = pa.default_memory_pool()
    pieces = {name: doubles.pop(name).chunks[::-1] for name in tuple(doubles)}
    with np.errstate(over="ignore"):  # beyond float32's range is infinite
        while any(pieces.values()):
            pool.release_unused()
            for name, remaining in pieces.items():
                if remaining:
                    values = numpy_of(remaining.pop())
                    start, ends[name] = ends[name], ends[name] + len(values)
                    floats[name][start : ends[name]] = values
    return floats


def needs_doubles(values: npt.NDArray[np.float32]) -> bool:
    """Say whether float32 lost differences, or made a number infinite."""
    low, high = np.fmin.reduce(values), np.fmax.reduce(values)
    if np.isnan(low):
        return False
    largest = max(abs(float(low)), abs(float(high)))
    return largest >= LARGE or largest >= CLOSE_TOGETHER * float(high - low)
