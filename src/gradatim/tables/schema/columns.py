"""What a schema knows of each column, and of the one to predict."""

import re
from dataclasses import dataclass, field
from typing import Any, Literal

import pyarrow as pa

from gradatim.tables.files.arrow import SHARED_TEXT

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

Kind = Literal[
    "number",
    "category",
    "boolean",
    "datetime",
    "text",
    "identifier",
    "constant",
    "duplicate",
]
Task = Literal["regression", "binary", "classification"]
Label = str | bool | int | float

MISSING = 0
"""The code of a category that is not there."""
UNSEEN = 1
"""The code of a category outside the vocabulary, whose own codes begin at 2."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """One column: what was seen of it, and how it becomes numbers."""

    name: str
    kind: Kind
    type: str
    """The Arrow type its values are read with, as ``double`` or ``timestamp[s]``."""
    used: bool
    """Whether it is a feature."""
    seen: str = ""
    """A few words on its values in the training file."""
    reason: str = ""
    """Why it is not used, or is used in another way than its values suggest."""
    num_missing: int = 0
    """Rows of the training file without a finite value."""
    origin: int | float = 0
    """Subtracted in 64 bits: a number's own unit, or ``unit`` since 1970 for times."""
    unit: str = ""
    """Of times: ``s``, ``ms``, ``us`` or ``ns``."""
    parts: tuple[str, ...] = ()
    """Of times: those of ``calendar.PARTS`` that vary over the training file."""
    vocabulary: tuple[str, ...] = ()
    """Of categories, sorted: the value with code ``i + 2``."""

    @property
    def group(self) -> str:
        """The tensor that a used column goes into."""
        if self.vocabulary:
            return "categories"
        return "times" if self.kind == "datetime" else "numbers"

    @property
    def num_codes(self) -> int:
        """Codes of a category, those for missing and unseen included."""
        return len(self.vocabulary) + 2

    @property
    def read_type(self) -> Any:
        """The ``pa.DataType`` to read it from text with."""
        if self.type == "string" and self.vocabulary:
            return SHARED_TEXT
        return arrow_type(self.type)


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """The column to predict."""

    name: str
    task: Task
    type: str
    """The Arrow type its values are read with."""
    labels: tuple[Label, ...] = field(default=())
    """Of classes: the value of class ``i``. They keep their type in JSON."""
    origin: int | float = 0
    """Of regression: subtracted in 64 bits where float32 would lose differences."""
    seen: str = ""
    """A few words on its values in the training file."""

    @property
    def read_type(self) -> Any:
        """The ``pa.DataType`` to read it from text with."""
        return arrow_type(self.type)


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
