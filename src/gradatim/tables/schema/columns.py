"""What a schema stores of each column, and of the one to predict."""

import re
from dataclasses import dataclass, field
from typing import Any, Literal

import pyarrow as pa

from gradatim.tables.files.arrow import SHARED_TEXT
from gradatim.tables.schema.spelling import Spelling

__all__ = [
    "MISSING",
    "UNSEEN",
    "Column",
    "Kind",
    "Label",
    "Target",
    "Task",
    "arrow_type",
]

Used = Literal["number", "category", "boolean", "datetime", "text"]
Unused = Literal["identifier", "constant", "duplicate"]
Kind = Literal[Used, Unused]
Task = Literal["regression", "binary", "classification"]
Label = str | bool | int | float

MISSING = 0
"""The code of a category where a row has no value."""
UNSEEN = 1
"""The code of a category outside the vocabulary, whose own codes begin at 2."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """One column: what its values were in training, and how they become codes."""

    name: str
    kind: Kind
    type: str
    """The Arrow type with which values are read: ``double``, ``timestamp[s]`` ..."""
    used: bool
    """Whether the column is a feature."""
    seen: str = ""
    """A few words on the values in the training file."""
    reason: str = ""
    """Why the column is not used, or is used otherwise than its values suggest."""
    num_missing: int = 0
    """Rows of the training file without a finite value."""
    origin: int | float = 0
    """What is subtracted in 64 bits. For times it is a count of ``unit`` since 1970."""
    unit: str = ""
    """What times are counted in: ``s``, ``ms``, ``us`` or ``ns``."""
    parts: tuple[str, ...] = ()
    """The parts of dates (``calendar.PARTS``) that vary over the training file."""
    vocabulary: tuple[str, ...] = ()
    """The values of a category, sorted: the value at place ``i`` has code ``i + 2``."""
    spelling: Spelling | None = None
    """How the column's texts are written, where ``type`` alone does not say it. What is
    written otherwise is then missing, and named."""
    missing: tuple[str, ...] = ()
    """Texts and numbers that the owner of the data says stand for a missing value."""
    of: str = ""
    """The column whose bounds (``>60``) this one flags, which no file holds itself: 1
    for a bound from below, -1 for one from above."""

    num_ngrams: int = 0
    """How many n-grams of a text there is room for; 0 where the column is no text, or
    none that is used."""

    @property
    def group(self) -> str:
        """The name of the tensor that holds the codes of a used column."""
        if self.num_ngrams:
            return "texts"
        if self.vocabulary:
            return "categories"
        return "times" if self.kind == "datetime" else "numbers"

    @property
    def num_codes(self) -> int:
        """How many codes a category has, those for missing and unseen included."""
        return len(self.vocabulary) + 2

    @property
    def read_type(self) -> Any:
        """The ``pa.DataType`` with which the column is read from text."""
        if self.type == "string" and self.vocabulary:
            return SHARED_TEXT
        return _read_type(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """The column to predict."""

    name: str
    task: Task
    type: str
    """The Arrow type with which values are read."""
    labels: tuple[Label, ...] = field(default=())
    """The value of each class, in the order of their codes; JSON keeps their type."""
    origin: int | float = 0
    """What is subtracted in 64 bits where float32 would lose differences; else 0."""
    seen: str = ""
    """A few words on the values in the training file."""
    spelling: Spelling | None = None
    """As for a column; a value that is written otherwise is an error, though."""
    missing: tuple[str, ...] = ()
    """As for a column."""
    reason: str = ""
    """How a value is read, where that may surprise."""

    @property
    def read_type(self) -> Any:
        """The ``pa.DataType`` with which the column is read from text."""
        return _read_type(self)


def _read_type(column: Column | Target) -> Any:
    if column.spelling is not None or column.missing:
        return pa.string()
    return arrow_type(column.type)


def arrow_type(text: str) -> Any:
    """Turn the name of an Arrow type back into the type.

    Raises:
        ValueError: There is no such type.

    >>> arrow_type("timestamp[us, tz=Europe/Berlin]")
    TimestampType(timestamp[us, tz=Europe/Berlin])
    """
    zoned = re.fullmatch(r"timestamp\[(s|ms|us|ns), tz=(.+)\]", text)
    if zoned:
        return pa.timestamp(zoned[1], tz=zoned[2])
    return pa.type_for_alias(text)
