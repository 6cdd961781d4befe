"""What a learner has done: one small file in a folder of the learner's own."""

import contextlib
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["FOLDER_VARIABLE", "answer", "done", "folder", "keep_answer", "note"]

FOLDER_VARIABLE = "GRADATIM_COURSE"
"""Names the folder; ``gradatim learn`` sets it. Without it nothing is kept."""
FILE = "progress.json"
_LOCK = threading.Lock()


def folder() -> Path | None:
    """Give the learner's folder; None where nothing is kept, as in tests."""
    name = os.environ.get(FOLDER_VARIABLE)
    return Path(name) if name else None


def done() -> dict[str, Any]:
    """Give what was done: by chapter or exercise, a dict."""
    place = folder()
    if place is None:
        return {}
    try:
        found = json.loads((place / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {name: about for name, about in found.items() if isinstance(about, dict)}


def note(name: str, what: str) -> None:
    """Remember one thing of a chapter or exercise."""
    _change(name, lambda about: about | {what: True})


def _change(name: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Change what is known of a chapter or exercise, in one go."""
    place = folder()
    if place is None:
        return
    with _LOCK, contextlib.suppress(OSError):  # a full disk spoils no lesson
        place.mkdir(parents=True, exist_ok=True)
        found = done()
        before = found.get(name, {})
        found[name] = change(before)
        if found[name] == before:
            return
        draft = place / f"{FILE}.{os.getpid()}"
        draft.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        draft.replace(place / FILE)


def answer(name: str) -> str | None:
    """Give what was last written for an exercise."""
    found = done().get(name)
    text = found.get("answer") if isinstance(found, dict) else None
    return text if isinstance(text, str) else None


def keep_answer(name: str, text: str, *, solved: bool) -> int:
    """Remember an answer, and that it was right once; give how many there were."""
    tries = 1

    def change(about: dict[str, Any]) -> dict[str, Any]:
        nonlocal tries
        before = about.get("tries")
        tries = (before if isinstance(before, int) else 0) + 1
        now = about | {"answer": text, "tries": tries}
        return now | {"solved": True} if solved else now

    _change(name, change)
    return tries
