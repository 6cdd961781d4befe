"""What a learner has done, kept in one small file in a folder of the learner."""

import itertools
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gradatim.errors import DamagedError, RunError
from gradatim.store.json import in_utf8, may_be_read, parse_json, read_text, to_json
from gradatim.store.lock import waiting_lock
from gradatim.store.output import write_output
from gradatim.text import listed, say

__all__ = [
    "FOLDER_VARIABLE",
    "answer",
    "done",
    "folder",
    "keep_answer",
    "note",
    "notices",
]

FOLDER_VARIABLE = "GRADATIM_COURSE"
"""The variable that names the folder. ``gradatim learn`` sets it; without it nothing is
kept."""
FILE = "progress.json"
LOCK = "progress.lock"
_THREADS = threading.Lock()
"""Held by one thread at a time: the lock of the file is one for the whole process."""
_SAID: dict[str, None] = {}
"""What went wrong with the file in this process, in the order of its being said."""


def folder() -> Path | None:
    """Give the learner's folder; None if nothing is to be kept, as in tests."""
    name = os.environ.get(FOLDER_VARIABLE)
    return Path(name) if name else None


def done() -> dict[str, Any]:
    """Give what was done: for each chapter or exercise, what is known of it."""
    place = folder()
    if place is None:
        return {}
    try:
        return _read(_file(place))[0]
    except RunError as error:
        _say(str(error))
        return {}


def notices() -> list[str]:
    """Give what went wrong with the file in this process, a sentence each."""
    return list(_SAID)


def note(name: str, what: str) -> None:
    """Note one thing of a chapter or an exercise, such as ``opened``."""
    _change(name, lambda about: about | {what: True})


def _change(name: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Change what is known of a chapter or an exercise, and write the file.

    What hinders it is said, once, and does not spoil the lesson.
    """
    place = folder()
    if place is None:
        return
    path = _file(place)
    try:
        with _THREADS:
            place.mkdir(parents=True, exist_ok=True)
            with waiting_lock(place / LOCK):
                content, wrong = _read(path)
                before = content.get(name, {})
                content[name] = change(before)
                if content[name] == before:
                    return
                text = to_json(content, indent=1)
                if not may_be_read(in_utf8(text)):
                    _say(f"{name} is not noted: its answer is too long to be kept.")
                    return
                if wrong:
                    aside = _set_aside(path)
                    _say(
                        f"{wrong}\nIt is kept as {aside}. What could be read of it "
                        "and what you do from now on go into a new file."
                    )
                write_output(path, f"{text}\n")
    except (RunError, OSError) as error:
        _say(f"What you do now may not be kept. {error}")


def _file(place: Path) -> Path:
    """Give the file of a folder; a link is followed, as a learner may have made one."""
    return Path(os.path.realpath(place / FILE))


def _read(path: Path) -> tuple[dict[str, Any], str]:
    """Give what can be read of the file, and what is wrong with the rest.

    Raises:
        RunError: The file may be whole, but this process cannot read it.
    """
    if not path.exists():
        return {}, ""
    try:
        content = parse_json(read_text(path), str(path))
    except DamagedError as error:
        return {}, str(error).partition("\n")[0]
    if not isinstance(content, dict):
        return {}, f"{path} holds no chapters and exercises."
    known = {name: about for name, about in content.items() if isinstance(about, dict)}
    unknown = [name for name in content if name not in known]
    wrong = f"{path} holds what no course wrote: {listed(unknown)}." if unknown else ""
    return known, wrong


def _set_aside(path: Path) -> Path:
    """Give a damaged file a name that no other file has, and return it."""
    names = (
        path.with_name(f"{path.stem}-damaged-{number}{path.suffix}")
        for number in itertools.count(1)
    )
    aside = next(name for name in names if not name.exists())
    path.rename(aside)
    return aside


def _say(message: str) -> None:
    """Say once in this process what went wrong."""
    if message not in _SAID:
        _SAID[message] = None
        say(f"gradatim learn: {message}", file=sys.stderr)


def answer(name: str) -> str | None:
    """Give the last answer to an exercise; None if there is none."""
    text = done().get(name, {}).get("answer")
    return text if isinstance(text, str) else None


def keep_answer(name: str, text: str, *, solved: bool) -> int:
    """Keep an answer, and whether one was right; give the number of answers so far."""
    tries = 1

    def change(about: dict[str, Any]) -> dict[str, Any]:
        nonlocal tries
        before = about.get("tries")
        tries = (before if isinstance(before, int) else 0) + 1
        now = about | {"answer": text, "tries": tries}
        return now | {"solved": True} if solved else now

    _change(name, change)
    return tries
