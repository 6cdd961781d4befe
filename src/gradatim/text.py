"""Text for people: names that were probably meant, values on one line, sizes."""

import difflib
import reprlib
from collections.abc import Iterable
from typing import Any

__all__ = [
    "bytes_for_people",
    "listed",
    "nearest_name",
    "one_line",
    "printable",
    "shown",
]


def nearest_name(name: str, names: Iterable[str]) -> str:
    """Say which of ``names`` was probably meant, as a sentence to append, or ``""``.

    >>> nearest_name("prize", ["price", "rooms"])
    " Did you mean 'price'?"
    """
    close = difflib.get_close_matches(name, list(names), n=1)
    if not close:
        lowered = {other.lower(): other for other in names}
        if name.lower() in lowered:
            close = [lowered[name.lower()]]
    return f" Did you mean {close[0]!r}?" if close else ""


_short = reprlib.Repr()
_short.maxlevel, _short.maxstring, _short.maxother = 2, 80, 80


def shown(value: Any) -> str:
    r"""Write a value of a file for a message: on one line, and not all of a long one.

    >>> shown("os.system\n"), shown([0] * 1000)
    ("'os.system\\n'", '[0, 0, 0, 0, 0, 0, ...]')
    """
    return " ".join(_short.repr(value).split())  # a tensor's has lines


def one_line(error: BaseException) -> str:
    r"""Give what an error says, on one line without control characters.

    >>> one_line(ValueError("one\ntwo\x1b"))
    'one two?'
    """
    return printable(" ".join(str(error).split())[:200])


def printable(text: str) -> str:
    r"""Put ``?`` for what would move the cursor of a terminal.

    >>> printable("model\x1b[2J")
    'model?[2J'
    """
    return "".join(c if c.isprintable() else "?" for c in text)


def listed(names: Iterable[str], most: int = 5, *, quoted: bool = True) -> str:
    """Write out names for a message, the first few of many.

    >>> listed(["a", "b", "c"], most=2)
    "'a', 'b' and 1 more"
    """
    written = [repr(name) if quoted else name for name in names]
    more = f" and {len(written) - most} more" if len(written) > most else ""
    return ", ".join(written[:most]) + more


def bytes_for_people(size: float) -> str:
    """Write a number of bytes as a person would say it.

    >>> bytes_for_people(6464), bytes_for_people(12_800_000)
    ('6,464 bytes', '12.8 MB')
    """
    if size < 10_000:
        return f"{size:,} bytes"
    power = min((len(str(int(size))) - 1) // 3, 4)
    unit = ("kB", "MB", "GB", "TB")[power - 1]
    return f"{size / 1000**power:,.1f} {unit}"
