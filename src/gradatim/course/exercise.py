"""Exercises: what is asked, what is checked, and how an answer is tried.

An exercise is a file in ``exercises/`` with ``TEXT``, ``STUB``, ``HINT``, ``SOLUTION``,
``PRAISE``, ``MUTANTS`` (wrong answers that its check must refuse) and ``check(names)``,
which raises :class:`Wrong`.
"""

import contextlib
import importlib
import io
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from gradatim.errors import ConfigError
from gradatim.text import nearest_name

__all__ = [
    "EXERCISES",
    "Exercise",
    "Wrong",
    "expect",
    "expect_number",
    "load_exercise",
    "needed",
    "try_answer",
]

MOST_SECONDS = 10.0
ANSWER = "<your answer>"
_HOMES = {
    path.stem: path.parent.name for path in Path(__file__).parent.glob("ch*/ex*.py")
}
"""The folder of the chapter that each exercise belongs to."""
EXERCISES = tuple(sorted(_HOMES))
"""Names of all exercises."""


class Wrong(Exception):
    """An answer is not right; the text says where."""


@dataclass(frozen=True, kw_only=True)
class Exercise:
    """One exercise."""

    name: str
    text: str
    stub: str
    hint: str
    solution: str
    praise: str
    mutants: Mapping[str, str]
    check: Callable[[dict[str, Any]], None]


def load_exercise(name: str) -> Exercise:
    """Load an exercise by its name.

    Raises:
        ConfigError: There is none such.
    """
    if name not in EXERCISES:
        raise ConfigError(
            f"there is no exercise {name}.{nearest_name(name, EXERCISES)}\n"
            "gradatim learn list names them all."
        )
    source: Any = importlib.import_module(f"gradatim.course.{_HOMES[name]}.{name}")
    return Exercise(
        name=name,
        text=source.TEXT.strip(),
        stub=source.STUB.strip() + "\n",
        hint=source.HINT.strip(),
        solution=source.SOLUTION.strip() + "\n",
        praise=source.PRAISE.strip(),
        mutants={name: code.strip() + "\n" for name, code in source.MUTANTS.items()},
        check=source.check,
    )


def try_answer(exercise: Exercise, code: str) -> str | None:
    """Run an answer and check it; give what is wrong with it, or None.

    It runs in this process, as the learner's own code does anywhere, and may take 10 s
    of a processor.
    """
    names: dict[str, Any] = {"__name__": "answer"}
    try:
        with _in_time(), contextlib.redirect_stdout(io.StringIO()):
            exec(compile(code, ANSWER, "exec"), names)
            exercise.check(names)
    except Wrong as wrong:
        return str(wrong)
    except SyntaxError as error:
        return f"Python cannot read line {error.lineno}: {error.msg}."
    except (Exception, SystemExit) as error:
        line = _line_of(error)
        where = f" in line {line}" if line else ""
        # A code span: a name such as __init__ is no bold text.
        told = " ".join(f"{type(error).__name__}: {error}".split()).replace("`", "'")
        return f"`{told}`{where}."
    return None


def needed(names: dict[str, Any], name: str) -> Any:
    """Give what an answer must define.

    Raises:
        Wrong: It does not, or the stub's ``...`` is still there.
    """
    if name not in names or names[name] is ...:
        raise Wrong(f"`{name}` is not there yet.")
    return names[name]


def expect(is_so: bool, otherwise: str) -> None:
    """Go on if something is so.

    Raises:
        Wrong: It is not.
    """
    if not is_so:
        raise Wrong(otherwise)


def expect_number(found: Any, wanted: float, told: str, *, within: float) -> None:
    """Go on if an answer is a number near the right one.

    Args:
        found: A number, an array or a tensor of one.
        wanted: What is right.
        told: What it is, as the beginning of a sentence.
        within: The largest difference.

    Raises:
        Wrong: It is not; a number that is off by a plain factor is told so.
    """
    shape = tuple(getattr(found, "shape", ()))
    if math.prod(shape) != 1:
        raise Wrong(f"{told} is to be one number; yours is an array of shape {shape}.")
    try:
        number = float(found)
    except (TypeError, ValueError):
        raise Wrong(f"{told} is to be a number; yours is {found!r}.") from None
    if abs(number - wanted) < within:
        return
    ratio = number / wanted if wanted else math.nan
    more = f" That is {ratio:.0f} times as much." if ratio > 1.5 else ""
    more = more if abs(ratio - round(ratio, 0)) < 1e-3 else ""
    raise Wrong(f"{told} is {wanted:.4f}; yours is {number:.4f}.{more}")


@contextlib.contextmanager
def _in_time() -> Iterator[None]:
    """End an answer that takes too long, between two of its lines.

    Never within a library: an import that is broken off leaves half a module behind.
    """
    end = time.thread_time() + MOST_SECONDS

    def look(frame: FrameType, event: str, arg: Any) -> Any:
        if frame.f_code.co_filename != ANSWER:
            return None
        if time.thread_time() > end:
            raise Wrong(f"It ran for more than {MOST_SECONDS:g} s: does its loop end?")
        return look

    before = sys.gettrace()
    sys.settrace(look)
    try:
        yield
    finally:
        sys.settrace(before)


def _line_of(error: BaseException) -> int | None:
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == ANSWER:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
