"""Which line of the user's own files an event comes from."""

import linecache
import sys
import sysconfig
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import FrameType
from typing import Any

__all__ = [
    "SourceLine",
    "is_called_by_user",
    "is_user_file",
    "line_of",
    "user_frame",
    "user_line",
    "variables_of",
]

PACKAGE = str(Path(__file__).parents[1])
LIBRARIES = tuple(
    {sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib", "scripts")}
)
MOST_VARIABLES = 500  # read of one function: chosen by hand, not measured
MOST_ATTRIBUTES = 100  # read of one object: chosen by hand, not measured
NO_FILES = ("<frozen ", "<string>", "<@beartype", "<eval_with_key>")
"""How the file names of code begin that stands in no file."""


@dataclass(frozen=True, slots=True)
class SourceLine:
    """A line of a file, and the function around it."""

    file: str
    number: int  # the number of the line, from 1
    function: str = ""

    @property
    def code(self) -> str:
        """The code of the line; empty where the file cannot be read."""
        return linecache.getline(self.file, self.number).strip()

    def __str__(self) -> str:
        return f"{self.file}:{self.number}"


@lru_cache(maxsize=4096)
def is_user_file(file: str) -> bool:
    """Tell whether a file is the user's: not Python's, not installed, not ours."""
    if file.startswith(NO_FILES):
        return False
    if file.startswith(PACKAGE):
        # The ladder's rungs are programs as a user writes them.
        return file.startswith(f"{PACKAGE}/ladder/rung_")
    return not file.startswith(LIBRARIES)


@lru_cache(maxsize=4096)
def is_our_file(file: str) -> bool:
    """Tell whether a file is of this package, or of a checker of its annotations."""
    is_checker = "/jaxtyping/" in file or "/beartype/" in file
    return is_checker or (
        file.startswith((PACKAGE, *NO_FILES)) and not is_user_file(file)
    )


def is_called_by_user() -> bool:
    """Tell whether the user's own code called a patched function, not a library."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and is_our_file(frame.f_code.co_filename):
        frame = frame.f_back
    return frame is not None and is_user_file(frame.f_code.co_filename)


def user_frame(depth: int = 1) -> FrameType | None:
    """Give the innermost frame of the user's own code."""
    frame: FrameType | None = sys._getframe(depth)
    while frame is not None and not is_user_file(frame.f_code.co_filename):
        frame = frame.f_back
    return frame


def line_of(frame: FrameType | None) -> SourceLine | None:
    """Give the line that a frame is at."""
    if frame is None:
        return None
    code = frame.f_code
    return SourceLine(code.co_filename, frame.f_lineno, code.co_name)


def variables_of(frame: FrameType) -> list[tuple[str, Any]]:
    """Give the variables of a function, and the attributes of a method's object."""
    variables = list(frame.f_locals.items())[:MOST_VARIABLES]
    owner = frame.f_locals.get("self")
    attributes = list(getattr(owner, "__dict__", {}).items())[:MOST_ATTRIBUTES]
    return variables + [(f"self.{name}", value) for name, value in attributes]


def user_line(depth: int = 2) -> SourceLine | None:
    """Give the line of the user's own code that is being run."""
    return line_of(user_frame(depth))
