"""What observers of objects have in common: a record of each object, found again."""

import weakref
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from gradatim.watching.position import Observer, Position
from gradatim.watching.source_lines import SourceLine

__all__ = ["ObjectObserver", "ObjectSeen"]


@dataclass
class ObjectSeen:
    """An object of the program, such as a model or an optimizer."""

    ref: "weakref.ReferenceType[Any]"
    """A weak reference to the object."""
    kind: str
    """The name of the object's class."""
    line: SourceLine | None
    """The user's line that made the object; of a model, that called it first."""


R = TypeVar("R", bound=ObjectSeen)


class ObjectObserver(Observer, Generic[R]):
    """An observer that keeps a record for each object."""

    def __init__(self, position: Position) -> None:
        super().__init__(position)
        self.records: list[R] = []
        """The record of each object, by the object's number."""
        self._numbers: dict[int, int] = {}

    def number_of(self, thing: Any) -> int | None:
        """Give the number of an object; None of an object that is not noted."""
        number = self._numbers.get(id(thing))
        if number is None or self.records[number].ref() is not thing:
            return None
        return number

    def record_of(self, thing: Any) -> R | None:
        """Give the record of an object; None of an object that is not noted."""
        number = self.number_of(thing)
        return None if number is None else self.records[number]

    def note(self, thing: Any, record: R) -> int:
        """Keep the record of an object; give the object's number."""
        self._numbers[id(thing)] = number = len(self.records)
        self.records.append(record)
        return number
