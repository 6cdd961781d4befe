"""What the cells of a chapter show: questions, breakages, exercises, controls."""

import contextlib
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any

import marimo as mo

from gradatim.course import CHAPTERS, Chapter, progress
from gradatim.course.exercise import load_exercise, try_answer
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
    "dropdown",
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
    """Show the title of a chapter and what it is about."""
    chapter = CHAPTERS[number - 1]
    return mo.md(f"# {number} · {chapter.title}\n\n*{chapter.about}*")


def end(number: int) -> Any:
    """Show links to the other chapters, and note that this one was opened."""
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
    """Link to a chapter, with an arrow before or behind its title."""
    text = f"{before}{chapter.number} · {escaped(chapter.title)}{after}"
    return f'<a href="/open/{chapter.slug}">{text}</a>'


def slider(label: str, steps: list[Any], value: Any) -> Any:
    """Make a slider that stops at these steps and says its value."""
    return mo.ui.slider(steps=steps, value=value, label=label, show_value=True)


def dropdown(label: str, options: Any, value: str) -> Any:
    """Make a list to choose from; a dict has the values by their names."""
    return mo.ui.dropdown(options, value=value, label=label)


def row(*controls: Any) -> Any:
    """Show controls beside each other; they wrap where the page is too narrow."""
    return mo.hstack(controls, justify="start", wrap=True, gap=2)


def picture(*html: str) -> Any:
    """Show pictures of :mod:`gradatim.pages`, or other HTML, below each other."""
    return mo.Html(html[0]) if len(html) == 1 else mo.vstack([*map(mo.Html, html)])


def moving(html: str) -> Any:
    """Show a picture of :mod:`gradatim.pages.player`.

    marimo's editor does not run its script, so there the picture gets a frame.
    """
    if mo.app_meta().mode != "edit":
        return mo.Html(html)
    style, script = player_parts()
    style += ":root{color-scheme:light dark}body{margin:0;font:15px system-ui}"
    return mo.iframe(f"<style>{style}</style>{html}<script>{script}</script>")


def predict(question: str, choices: list[str]) -> Any:
    """Ask for a prediction before anything is shown."""
    return mo.ui.radio(choices, label=f"**Predict.** {question}")


def verdict(answer: Any, *, right: str, why: Mapping[str, str]) -> Any:
    """Say whether the prediction is right, and why; until it is made, ask for it.

    ``answer`` is the control of :func:`predict`; ``why`` has a reason for each choice.
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
    """Show something only after a prediction is made with :func:`predict`."""
    return shown if answer.value is not None or _SHOWS_ALL.get() else mo.md("")


@contextlib.contextmanager
def all_shown() -> Iterator[None]:
    """Show everything without a prediction: a frozen page hides it by itself."""
    token = _SHOWS_ALL.set(True)
    try:
        yield
    finally:
        _SHOWS_ALL.reset(token)


def button(label: str, *, breaks: bool = False) -> Any:
    """Make a button. Its value is true in the run that pressing it starts."""
    text = f"Break it: {label}" if breaks else label
    return mo.ui.run_button(label=text, kind="danger" if breaks else "neutral")


def breaks(
    pressed: Any, function: Callable[[], Any], *, cure: str, code: str = ""
) -> Any:
    """Run something wrong when its button is pressed; show what happens, and the cure.

    The function raises an exception, or gives what to show if nothing raises. ``code``
    are the wrong lines, if the label of the button does not name them.
    """
    if not pressed.value:
        return mo.md("")
    try:
        outcome = function()
    except Exception as error:
        outcome = mo.Html(raised(traceback.format_exception_only(error)[-1].strip()))
    lines = [mo.md(f"```python\n{code}\n```")] if code else []
    cured = mo.callout(mo.md(f"**Cure:** {cure}"), kind="info")
    return mo.vstack([*lines, outcome, cured])


def exercise(name: str) -> Any:
    """Show the task of an exercise, its hint and its solution."""
    task = load_exercise(name)
    solution = mo.md(f"```python\n{task.solution}\n```")
    more = mo.accordion({"Hint": mo.md(task.hint), "Solution": solution})
    return mo.vstack([mo.md(f"**Make.** {task.text}"), more])


def editor(name: str) -> Any:
    """Make the field for an answer, with the last answer or else with the stub."""
    return mo.ui.code_editor(
        value=progress.answer(name) or load_exercise(name).stub,
        language="python",
        min_height=120,
    ).form(submit_button_label="Check", bordered=False)


def checked(name: str, answer: Any) -> Any:
    """Check an answer, keep it, and say whether it is right."""
    if answer.value is None:
        solved = progress.done().get(name, {}).get("solved")
        return mo.md("*Solved before.*" if solved else "")
    task = load_exercise(name)
    wrong = try_answer(task, answer.value)
    tries = progress.keep_answer(name, answer.value, solved=wrong is None)
    if wrong is None:
        return mo.callout(mo.md(f"**Solved.** {task.praise}"), kind="success")
    return mo.callout(mo.md(f"**Not yet** (try {tries}). {wrong}"), kind="warn")
