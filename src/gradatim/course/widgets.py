"""What chapters are put together of: questions, breakages, exercises.

A chapter's cells stay short: each shows one of these, or one picture.
"""

import contextlib
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any

import marimo as mo

from gradatim.course import CHAPTERS, Chapter, progress
from gradatim.course.exercise import Exercise, load_exercise, try_answer
from gradatim.pages.html_tables import raised
from gradatim.pages.page import escaped
from gradatim.pages.player import player_parts

__all__ = [
    "after",
    "all_shown",
    "beginning",
    "breaks",
    "button",
    "checked",
    "editor",
    "end",
    "exercise",
    "moving",
    "picture",
    "predict",
    "row",
    "slider",
    "verdict",
]


def beginning(number: int) -> Any:
    """Show a chapter's title and what it is about."""
    chapter = CHAPTERS[number - 1]
    return mo.md(f"# {number} · {chapter.title}\n\n*{chapter.about}*")


def end(number: int) -> Any:
    """Show the ways on, and note that the chapter was opened."""
    progress.note(CHAPTERS[number - 1].slug, "opened")
    links = []
    if number > 1:
        links.append(_link(CHAPTERS[number - 2], "← "))
    links.append('<a href="/">All chapters</a>')
    if number < len(CHAPTERS):
        links.append(_link(CHAPTERS[number], "", " →"))
    style = "display:flex;justify-content:space-between;gap:1em;flex-wrap:wrap"
    return mo.Html(
        f'<nav aria-label="chapters" style="{style};margin-top:2em;padding-top:1em;'
        f'border-top:1px solid #8886">{"".join(links)}</nav>'
    )


def _link(chapter: Chapter, before: str, after: str = "") -> str:
    text = f"{before}{chapter.number} · {escaped(chapter.title)}{after}"
    return f'<a href="/open/{chapter.slug}">{text}</a>'


def slider(label: str, steps: list[Any], value: Any) -> Any:
    """Make a slider that stops at these steps and says its value."""
    return mo.ui.slider(steps=steps, value=value, label=label, show_value=True)


def row(*controls: Any) -> Any:
    """Show controls beside each other, as many as the page is wide enough for."""
    return mo.hstack(controls, justify="start", wrap=True, gap=2)


def picture(svg: str) -> Any:
    """Show a picture of :mod:`gradatim.pages.charts`, or HTML of ours."""
    return mo.Html(svg)


def moving(html: str) -> Any:
    """Show a picture of :mod:`gradatim.pages.player`.

    marimo's editor runs no script of ours, so there it gets a frame of its own.
    """
    if mo.app_meta().mode != "edit":
        return mo.Html(html)
    style, script = player_parts()
    style += ":root{color-scheme:light dark}body{margin:0;font:15px system-ui}"
    return mo.iframe(f"<style>{style}</style>{html}<script>{script}</script>")


def predict(question: str, choices: list[str]) -> Any:
    """Ask before anything runs."""
    return mo.ui.radio(choices, label=f"**Predict.** {question}")


def verdict(answer: Any, *, right: str, why: Mapping[str, str]) -> Any:
    """Say whether a prediction was right, and why; nothing before one is made.

    Args:
        answer: From :func:`predict`.
        right: The choice that is right.
        why: For each choice a sentence.
    """
    chosen = answer.value
    if chosen is None:
        return mo.md("*Choose first. Then you see what happens.*")
    if set(why) != set(answer.options):
        raise ValueError(f"a sentence for each choice: {sorted(answer.options)}")
    if chosen == right:
        return mo.callout(mo.md(f"**Right.** {why[chosen]}"), kind="success")
    text = f"**No.** {why[chosen]}\n\n**The answer: {right}.** {why[right]}"
    return mo.callout(mo.md(text), kind="warn")


_SHOWS_ALL: ContextVar[bool] = ContextVar("shows_all", default=False)


def after(answer: Any, shown: Any) -> Any:
    """Show what answers a question, once a prediction is made.

    Controls are made in a cell of their own: a cell that reads ``answer`` runs again
    with each choice, and would make them anew.

    Args:
        answer: From :func:`predict`.
        shown: What to show.
    """
    return shown if answer.value is not None or _SHOWS_ALL.get() else mo.md("")


@contextlib.contextmanager
def all_shown() -> Iterator[None]:
    """Show everything without a prediction; for pages that hide it by themselves."""
    token = _SHOWS_ALL.set(True)
    try:
        yield
    finally:
        _SHOWS_ALL.reset(token)


def button(label: str, *, breaks: bool = False) -> Any:
    """Make a button; in the run that follows its press its value is true."""
    text = f"Break it: {label}" if breaks else label
    return mo.ui.run_button(label=text, kind="danger" if breaks else "neutral")


def breaks(
    pressed: Any, function: Callable[[], Any], *, cure: str, code: str = ""
) -> Any:
    """Run what goes wrong when its button is pressed; show how, and the cure.

    Args:
        pressed: From :func:`button`.
        function: Raises an exception, or gives what to show: the silent wrong.
        cure: Markdown.
        code: The lines that are wrong, where the button's name does not tell them.
    """
    if not pressed.value:
        return mo.md("")
    try:
        found = function()
    except Exception as error:
        found = mo.Html(raised(traceback.format_exception_only(error)[-1].strip()))
    ran = [mo.md(f"```python\n{code}\n```")] if code else []
    cured = mo.callout(mo.md(f"**Cure:** {cure}"), kind="info")
    return mo.vstack([*ran, found, cured])


def exercise(name: str) -> Any:
    """Show what an exercise asks for, its hint and solution."""
    found = load_exercise(name)
    more = {
        "Hint": mo.md(found.hint),
        "Solution": mo.md(f"```python\n{found.solution}\n```"),
    }
    return mo.vstack([mo.md(f"**Make.** {found.text}"), mo.accordion(more)])


def editor(name: str) -> Any:
    """Make the field for an answer, with the stub or what was last written."""
    found = load_exercise(name)
    kept = progress.answer(name)
    return mo.ui.code_editor(
        value=kept or found.stub, language="python", min_height=120
    ).form(submit_button_label="Check", bordered=False)


def checked(name: str, answer: Any) -> Any:
    """Say whether an answer is right; progress is kept."""
    if answer.value is None:
        solved = progress.done().get(name, {}).get("solved")
        return mo.md("*Solved before.*" if solved else "")
    found: Exercise = load_exercise(name)
    wrong = try_answer(found, answer.value)
    tries = progress.keep_answer(name, answer.value, solved=wrong is None)
    if wrong is None:
        return mo.callout(mo.md(f"**Solved.** {found.praise}"), kind="success")
    return mo.callout(mo.md(f"**Not yet** (try {tries}). {wrong}"), kind="warn")
