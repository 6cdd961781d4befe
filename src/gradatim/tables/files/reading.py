"""What is said of how files are to be read, where they do not tell it themselves."""

from dataclasses import asdict, dataclass, fields, replace
from typing import Any

__all__ = ["Reading"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """How files are read. It is kept with a schema, so that later files are read so.

    >>> Reading(sheet="2023").to_dict()
    {'sheet': '2023'}
    """

    sheet: str | None = None
    """The sheet of a workbook."""
    encoding: str | None = None
    """The encoding of a text file, as Python names it; UTF-8 if None."""

    skip_bad_lines: bool | None = None
    """Whether lines of text that are no rows are left out; else they are refused."""
    no_header: bool | None = None
    """Whether the first line of text is a row, and no header."""

    def to_dict(self) -> dict[str, Any]:
        """Give what was said."""
        return {name: v for name, v in asdict(self).items() if v not in (None, False)}

    def but(self, **given: Any) -> "Reading":
        """Give this, but for what is said now; None says nothing."""
        said = {name: value for name, value in given.items() if value is not None}
        return replace(self, **said)

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """The names of the options."""
        return tuple(field.name for field in fields(cls))
