"""Text for people: names that were probably meant, values on one line, sizes."""

import difflib
import re
import reprlib
import unicodedata
from collections.abc import Iterable
from typing import Any

__all__ = [
    "bytes_for_people",
    "listed",
    "nearest_name",
    "one_line",
    "printable",
    "printable_lines",
    "say",
    "seconds_of",
    "shortened",
    "shown",
]


LONGEST_SHOWN = 200
"""How many characters of a name or a value from outside are shown: its ends tell which
it is, and a stranger's may have millions. Chosen by hand, not measured."""


def nearest_name(name: str, names: Iterable[str]) -> str:
    """Say which of ``names`` was probably meant, as a sentence to append, or ``""``.

    >>> nearest_name("prize", ["price", "rooms"])
    " Did you mean 'price'?"
    """
    if len(name) > LONGEST_SHOWN:  # comparing takes time that grows with the square
        return ""
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

    >>> print(one_line(ValueError("one\ntwo\x1b")))
    one two\x1b
    """
    return printable(" ".join(str(error).split())[:200])


def printable(text: str) -> str:
    r"""Escape what does something to a terminal or a page in place of being seen.

    These are control characters, line ends among them, marks that turn the direction of
    writing, other characters without a shape, and halves of surrogate pairs.

    >>> print(printable("model\x1b[2J \u202e"), printable("caf\xe9"))
    model\x1b[2J \u202e café
    """
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() or unicodedata.category(c) == "Zs" else _escape(c)
        for c in text
    )


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def shortened(text: str, most: int = LONGEST_SHOWN) -> str:
    """Leave out the middle of a text that is longer than ``most`` characters.

    >>> shortened("0123456789", most=7)
    '0123…89'
    """
    if len(text) <= most:
        return text
    end = (most - 1) // 3
    return f"{text[: most - 1 - end]}…{text[-end:] if end else ''}"


def printable_lines(text: str) -> str:
    r"""Escape like :func:`printable`, and leave line ends and tabs.

    >>> printable_lines("one\ntwo\x9b")
    'one\ntwo\\x9b'
    """
    if text.isprintable():
        return text
    kept = re.split(r"([\n\t])", text)
    return "".join(part if part in ("\n", "\t") else printable(part) for part in kept)


def say(
    *values: object,
    sep: str = " ",
    end: str = "\n",
    file: Any = None,
    flush: bool = False,
) -> None:
    r"""Print as ``print`` does, with what could speak to the terminal escaped.

    Names, values and messages of libraries may come from a stranger's file.

    >>> say("model\x1b[2J")
    model\x1b[2J
    """
    print(printable_lines(sep.join(map(str, values))), end=end, file=file, flush=flush)


def seconds_of(text: str) -> float | None:
    """Read a time such as ``30``, ``30s``, ``5m`` or ``2h``; None if it is none.

    >>> seconds_of("5m"), seconds_of("soon")
    (300.0, None)
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if match is None:
        return None
    return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]


def listed(names: Iterable[str], most: int = 5, *, quoted: bool = True) -> str:
    """Write out names for a message, the first few of many.

    >>> listed(["a", "b", "c"], most=2)
    "'a', 'b' and 1 more"
    """
    written = [shortened(repr(name) if quoted else name) for name in names]
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
