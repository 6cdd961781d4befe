"""How much larger than its file a packed table may become.

A file of a few kilobytes can be made to unpack to gigabytes, and would take all memory.
So the size that a file unpacks to is bounded by its own size; whoever trusts a file can
allow more.
"""

import contextlib
import math
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path

from gradatim.errors import FileReadError
from gradatim.text import bytes_for_people

__all__ = ["MOST_TIMES", "check_expansion", "expansion_allowed", "most_bytes"]

MOST_TIMES = 200.0
"""By default a file may unpack to so many times its size. Measured on tables of zeros
with 1 to 100 ones in 1,000 values: CSV packed by gzip unpacks to 16 to 129 times its
size, Parquet to 53 to 401 times."""

LEAST_BYTES = 1 << 26
"""What every file may unpack to, however small it is: no computer lacks this much.
Chosen by hand, not measured."""

_most_times: ContextVar[float] = ContextVar("most_times", default=MOST_TIMES)


@contextlib.contextmanager
def expansion_allowed(most_times: float) -> Iterator[None]:
    """Let the files opened here unpack to so many times their size.

    >>> with expansion_allowed(1_000):
    ...     most_bytes(Path(__file__)) > 0
    True
    """
    token = _most_times.set(most_times)
    try:
        yield
    finally:
        _most_times.reset(token)


def most_bytes(path: Path, *, least: int = LEAST_BYTES) -> float:
    """Give the number of bytes that a file may unpack to; infinite if so allowed.

    Args:
        path: A file that exists.
        least: What it may unpack to at least, in bytes.
    """
    return max(least, _most_times.get() * path.stat().st_size)


def check_expansion(path: Path, num_bytes: int, most: float) -> None:
    """Raise a ``FileReadError`` where a file unpacks to more than ``most`` bytes."""
    if num_bytes <= most:
        return
    size = path.stat().st_size
    times = math.ceil(num_bytes / max(size, 1))
    raise FileReadError(
        f"{path} holds {bytes_for_people(size)} and unpacks to "
        f"{bytes_for_people(num_bytes)} or more, {times:,} times as much.\n"
        "A small file that fills the memory may have been made for that; at most "
        f"{bytes_for_people(most)} are read of this one.\n"
        f"If you trust it, allow more, for example with --max-expand {2 * times}; in "
        "Python, read it by another library and give the data frame."
    )
