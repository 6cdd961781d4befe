"""Exercises: how one is loaded, and how an answer to it is run and checked.

An exercise is a file ``exNN_name.py`` in its chapter's folder. It has ``TEXT`` (the
task), ``STUB`` (what the field for the answer begins with), ``HINT``, ``SOLUTION`` and
``PRAISE``. ``MUTANTS`` are wrong answers, a line for each: what is wrong with it, and
which piece of the solution is replaced by which other one. ``check`` is given the
function or class that the answer defines under the name in the stub, and raises
:class:`Wrong`. It must accept the solution and refuse the stub and every mutant; the
tests run them all.
"""

import contextlib
import importlib
import io
import math
import re
import sys
import time
import traceback
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
    "expect_tuple",
    "load_exercise",
    "shown",
    "try_answer",
]

MOST_SECONDS = 10.0
"""Processor time that an answer may take; chosen by hand, not measured."""
ANSWER = "<your answer>"
"""The name of the answer's file in tracebacks."""
_HOMES = {
    path.stem: path.parent.name for path in Path(__file__).parent.glob("ch*/ex*.py")
}
"""The folder of the chapter that each exercise belongs to."""
EXERCISES = tuple(sorted(_HOMES))
"""The names of all exercises."""


class Wrong(Exception):
    """The answer is not right; the text of the exception says why."""


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
    check: Callable[[Any], None]

    @property
    def asked(self) -> str:
        """The name that an answer must define: that of the stub's function or class."""
        return re.findall(r"^(?:def|class) (\w+)", self.stub, re.MULTILINE)[0]


def load_exercise(name: str) -> Exercise:
    """Load an exercise by its name; a name that none has raises ``ConfigError``."""
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
        mutants=_mutants(source.MUTANTS, source.SOLUTION),
        check=source.check,
    )


def _mutants(lines: str, solution: str) -> dict[str, str]:
    r"""Change the solution as each line of ``MUTANTS`` says.

    A change that finds no place on the line of its name stands below, indented.

    >>> _mutants("the sign: +x => -x\nno x:\n  +x =>\n", "y = +x")
    {'the sign': 'y = -x\n', 'no x': 'y = \n'}
    """
    mutants: dict[str, str] = {}
    name = ""
    for line in lines.strip("\n").splitlines():
        change = line.strip()
        if not line.startswith(" "):
            name, _, change = map(str.strip, line.partition(":"))
            mutants[name] = solution.strip() + "\n"
        if change:
            old, _, new = change.replace(r"\n", "\n").partition(" =>")
            if old not in mutants[name]:
                raise ValueError(f"The mutant {name!r} changes nothing: {old!r}.")
            mutants[name] = mutants[name].replace(old, new[1:])
    return mutants


def try_answer(exercise: Exercise, code: str) -> str | None:
    """Run an answer and check it; give what is wrong with it, or None.

    The answer runs in this process, as the learner's own code does anywhere, and may
    take :data:`MOST_SECONDS` of a processor.
    """
    names: dict[str, Any] = {"__name__": "answer"}
    try:
        with _in_time(), contextlib.redirect_stdout(io.StringIO()):
            exec(compile(code, ANSWER, "exec"), names)
            # "..." stands for what is still to be written.
            is_there = names.get(exercise.asked, ...) is not ...
            expect(is_there, f"`{exercise.asked}` is not there yet.")
            exercise.check(names[exercise.asked])
    except Wrong as wrong:
        return str(wrong)
    except SyntaxError as error:
        return f"Python cannot read line {error.lineno}: {error.msg}."
    except (Exception, SystemExit) as error:
        line = _line_of(error)
        where = f" in line {line}" if line else ""
        # In backticks, so that Markdown does not take __init__ for bold text.
        text = " ".join(f"{type(error).__name__}: {error}".split()).replace("`", "'")
        return f"`{text}`{where}."
    return None


def expect(is_so: bool, otherwise: str) -> None:
    """Raise :class:`Wrong` with the text ``otherwise`` if a condition does not hold."""
    if not is_so:
        raise Wrong(otherwise)


def expect_tuple(answer: Any, length: int, otherwise: str) -> None:
    """Raise :class:`Wrong` if an answer is not a tuple with so many values."""
    expect(isinstance(answer, tuple) and len(answer) == length, otherwise)


def shown(tensor: Any) -> str:
    """Write the numbers of a tensor of one dimension, for a text of :func:`expect`."""
    return ", ".join(f"{value:.3f}" for value in tensor.tolist())


def expect_number(answer: Any, right: float, name: str, *, within: float) -> None:
    """Raise :class:`Wrong` if an answer is no number that is near the right one.

    An array or a tensor with one number is a number, too. ``name`` begins a sentence.
    If the answer is a multiple of the right number, the text says so.
    """
    shape = tuple(getattr(answer, "shape", ()))
    if math.prod(shape) != 1:
        raise Wrong(f"{name} is to be one number; yours is an array of shape {shape}.")
    try:
        number = float(answer)
    except (TypeError, ValueError):
        raise Wrong(f"{name} is to be a number; yours is {answer!r}.") from None
    if abs(number - right) < within:
        return
    ratio = number / right if right else math.nan
    more = f" That is {ratio:.0f} times as much." if ratio > 1.5 else ""
    more = more if abs(ratio - round(ratio, 0)) < 1e-3 else ""
    raise Wrong(f"{name} is {right:.4f}; yours is {number:.4f}.{more}")


@contextlib.contextmanager
def _in_time() -> Iterator[None]:
    """End an answer that takes too long, between two of its own lines.

    It is not ended inside a library: an import that is broken off leaves half a
    module behind.
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
    """Give the line of the answer in which an exception was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == ANSWER]
    return lines[-1] if lines else None
