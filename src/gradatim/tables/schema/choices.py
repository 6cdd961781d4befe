"""What the owner of a table says of its columns, which goes before what is guessed.

Each choice names a column, and some say more of it: ``sold=%d.%m.%Y``. A column's name
may hold ``=`` itself, so the names of the table decide where the name ends.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gradatim.errors import ConfigError, DataError
from gradatim.tables.files.frames import column_name
from gradatim.tables.schema.date_forms import pattern_of
from gradatim.tables.schema.spelling import Spelling, marks_of
from gradatim.text import listed, nearest_name

__all__ = ["OPTIONS", "ColumnChoices", "Said"]

Said = Sequence[Hashable] | Mapping[Any, Any]
"""Names of columns, each perhaps with more behind ``=``; or a mapping from names to
what is said of them, None for nothing more."""

OPTIONS = ("category", "number", "date", "text", "id", "ordered", "missing")
"""The choices by their names, here and at the command line."""


@dataclass(frozen=True, slots=True)
class ColumnChoices:
    """What is said of the columns of one table."""

    kinds: Mapping[str, tuple[str, str]]
    """By column: which option names it, and what it says more."""
    missing: Mapping[str, tuple[str, ...]]
    """By column: the words that stand for a missing value."""
    missing_anywhere: tuple[str, ...]
    """Words that do so in every column."""

    @classmethod
    def of(cls, names: Sequence[str], said: Mapping[str, Said]) -> "ColumnChoices":
        """Understand what is said, by option, of a table with columns ``names``.

        Raises:
            DataError: There is no such column.
            ConfigError: A column is said to be two things, or a form is unknown.
        """
        kinds: dict[str, tuple[str, str]] = {}
        for option in OPTIONS[:-1]:
            for name, more in _pairs(said.get(option, ()), names):
                if name in kinds and kinds[name] != (option, more):
                    raise ConfigError(
                        f"--{option} {name} and --{kinds[name][0]} {name}: the column "
                        "cannot be both.\nIts values are read in one way.\n"
                        "Leave one of the two out."
                    )
                _check(option, name, more)
                kinds[name] = option, more
        missing: dict[str, tuple[str, ...]] = {}
        anywhere: list[str] = []
        words = said.get("missing", ())
        for of, word in _missing_words(words, names):
            if of is None:
                anywhere.append(word)
            else:
                missing[of] = (*missing.get(of, ()), word)
        return cls(kinds, missing, tuple(dict.fromkeys(anywhere)))

    def kind(self, name: str) -> tuple[str, str]:
        """Give the option that names a column, and what it says more; or two ``""``."""
        return self.kinds.get(name, ("", ""))

    def missing_of(self, name: str) -> tuple[str, ...]:
        """Give the words that stand for a missing value in a column."""
        return (*self.missing_anywhere, *self.missing.get(name, ()))

    def spelling(self, name: str) -> Spelling | None:
        """Give the way of writing that is said of a column; None if none is."""
        option, more = self.kind(name)
        if option == "ordered":
            return Spelling(order=_words(more))
        if option == "date" and more:
            return Spelling(date=more)
        if option == "number" and more:
            decimal, thousands = marks_of(more)
            return Spelling(decimal=decimal, thousands=thousands)
        return None

    @property
    def as_texts(self) -> list[str]:
        """The columns whose values are needed as they are written."""
        options = {"category", "number", "date", "ordered", "text"}
        named = [name for name, (option, _) in self.kinds.items() if option in options]
        return [*dict.fromkeys((*named, *self.missing))]


def _pairs(said: Said, names: Sequence[str]) -> Iterator[tuple[str, str]]:
    if isinstance(said, str):
        said = [said]
    if isinstance(said, Mapping):
        for name, more in said.items():
            name = column_name(name)
            _check_there(name, names)
            yield name, _joined(more)
        return
    for each in map(column_name, said):
        named = _name_at_start(each, names)
        if named is None:
            _check_there(each.partition("=")[0], names)
        else:
            yield named, each[len(named) + 1 :]


def _joined(more: Any) -> str:
    if more is None:
        return ""
    return more if isinstance(more, str) else ",".join(map(str, more))


def _name_at_start(text: str, names: Sequence[str]) -> str | None:
    """Give the longest name that ``text`` is, or that stands in it before a ``=``."""
    fitting = [name for name in names if text == name or text.startswith(f"{name}=")]
    return max(fitting, key=len, default=None)


def _check_there(name: str, names: Sequence[str]) -> None:
    if name not in names:
        raise DataError(
            f"There is no column {name!r}.{nearest_name(name, names)}\n"
            f"The columns are {listed(names, most=20)}.\n"
            "Name one of these."
        )


def _missing_words(
    said: Said, names: Sequence[str]
) -> Iterator[tuple[str | None, str]]:
    """Give each word, with the column that it is said of, or None for all."""
    if isinstance(said, str):
        said = [said]
    if isinstance(said, Mapping):
        for name, words in said.items():
            name = column_name(name)
            _check_there(name, names)
            for word in [words] if isinstance(words, str) else words:
                yield name, str(word).strip()
        return
    for each in map(str, said):
        named = _name_at_start(each, names)
        if named is not None and each != named:
            yield named, each[len(named) + 1 :].strip()
        else:
            yield None, each.strip()


def _words(more: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in more.split(","))


def _check(option: str, name: str, more: str) -> None:
    """Refuse a form, a number or an order that cannot be read by."""
    if option == "date" and more:
        pattern_of(more)
    elif option == "number" and more:
        marks_of(more)
    elif option == "ordered":
        words = _words(more)
        if len(words) < 2 or "" in words or len(set(words)) < len(words):
            raise ConfigError(
                f"--ordered {name}={more}: an order needs two or more different words."
                "\nThe first one becomes 0, the next one 1, and so on.\n"
                f"Write them from low to high: --ordered {name}=low,mid,high."
            )
    elif more:
        raise ConfigError(
            f"--{option} {name}={more}: nothing is said behind the name here.\n"
            "The name alone tells what the column is.\n"
            f"Write --{option} {name}."
        )
