"""Quick looks at the bytes of a delimited text file, before pyarrow reads it.

NumPy goes over the bytes in pieces. Both looks may find more than there is; the slower
readers then look closer.
"""

import codecs
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gradatim.tables.files.csv_records import open_bytes, records

__all__ = ["check_quotes", "may_have_leading_zeros"]

PIECE_BYTES = 1 << 18
"""A piece should stay in the processor's cache while NumPy goes over it several times;
chosen by hand, not measured."""


def check_quotes(path: Path, separator: str) -> None:
    """Check that every quote that opens a value is closed where a value may end.

    pyarrow reads an unclosed quote on to the next one, or to the end of the file,
    without a word. A quick look at the bytes beside all quotes clears most files:
    taken in turn, every other quote opens a value and must follow a separator or line
    end; the next one closes it and must be followed by one. (A doubled quote closes
    and opens again, which fits the same rule.) Other files are read record by record.

    Raises:
        FileReadError: With the line on which the quote was opened.
    """
    if not _quotes_pair_up(path, separator):
        for _ in records(path, separator):
            pass  # raises at the damage, or finds that the quotes are only text


def _quotes_pair_up(path: Path, separator: str) -> bool:
    beside = np.zeros(256, dtype=bool)
    beside[[ord(char) for char in f'{separator}\r\n"']] = True
    inside = 0
    for window in _windows(path):
        places = np.flatnonzero(window[1:-1] == ord('"'))
        opening, closing = places[inside::2], places[1 - inside :: 2]
        if not (beside[window[opening]].all() and beside[window[closing + 2]].all()):
            return False
        inside = (inside + len(places)) % 2
    return not inside


def may_have_leading_zeros(path: Path, separator: str) -> bool:
    """Say whether any field begins with ``0`` and goes on as ``00501`` or ``0x1F`` do.

    The answer is also yes for fields such as ``08:30``: the caller has to look closer.
    """
    for window in _windows(path):
        before, after = window[:-2], window[2:]
        zeros = window[1:-1] == ord("0")
        zeros &= after >= ord("0")
        if separator <= ",":  # tab, line ends and quotes lie below the comma, too
            zeros &= before <= ord(",")
        else:
            zeros &= after != ord(separator)
            zeros &= (before <= ord(",")) | (before == ord(separator))
        if zeros.any():
            return True
    return False


def _windows(path: Path) -> Iterator[npt.NDArray[np.uint8]]:
    """Give the bytes of a file in pieces, each with one byte more on either side."""
    with open_bytes(path) as file:
        piece = file.read(PIECE_BYTES).removeprefix(codecs.BOM_UTF8)
        before = b"\n"
        while piece:
            following = file.read(PIECE_BYTES)
            after = following[:1] or b"\n"
            yield np.frombuffer(before + piece + after, dtype=np.uint8)
            before, piece = piece[-1:], following
