"""What a learner has done, kept in one small file in a folder of the learner."""

import contextlib
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["FOLDER_VARIABLE", "answer", "done", "folder", "keep_answer", "note"]

FOLDER_VARIABLE = "GRADATIM_COURSE"
"""The variable that names the folder. ``gradatim learn`` sets it; without it nothing is
kept."""
FILE = "progress.json"
_LOCK = threading.Lock()


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
        content = json.loads((place / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(content, dict):
        return {}
    return {name: about for name, about in content.items() if isinstance(about, dict)}


def note(name: str, what: str) -> None:
    """Note one thing of a chapter or an exercise, such as ``opened``."""
    _change(name, lambda about: about | {what: True})


def _change(name: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Change what is known of a chapter or an exercise, and write the file."""
    place = folder()
    if place is None:
        return
    # A full disk must not spoil the lesson.
    with _LOCK, contextlib.suppress(OSError):
        place.mkdir(parents=True, exist_ok=True)
        content = done()
        before = content.get(name, {})
        content[name] = change(before)
        if content[name] == before:
            return
        draft = place / f"{FILE}.{os.getpid()}"
        draft.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        draft.replace(place / FILE)


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
