"""The page with the table of contents, and what the learner has done."""

from collections.abc import Mapping, Sequence
from typing import Any

from gradatim.course import Chapter
from gradatim.pages.page import escaped, page

__all__ = ["contents_page"]

STYLE = """
main { max-width: 46rem; margin: 0 auto; padding: 1.5rem 1rem 3rem; }
h1 { font-size: 1.6rem; margin: 0 0 .3rem; }
ol { list-style: none; margin: 1.2rem 0; padding: 0; }
li { border-top: 1px solid var(--line); }
li a { display: grid; grid-template-columns: 2.2rem 1fr auto; gap: .2rem .6rem;
  padding: .6rem .4rem; color: inherit; text-decoration: none; }
li a:hover, li a:focus-visible { background: var(--panel); }
.number { color: var(--faint); text-align: right; }
.about { grid-column: 2; color: var(--faint); font-size: .92em; }
.done { color: #2f9e44; white-space: nowrap; font-size: .92em; }
"""


def contents_page(
    chapters: tuple[Chapter, ...],
    done: Mapping[str, Any],
    *,
    link: str = "/open/{slug}",
    notices: Sequence[str] = (),
) -> str:
    """Give the page; ``done`` is what :func:`gradatim.course.progress.done` gives.

    ``link`` is the address of a chapter: ``{slug}.html`` where the course is frozen.
    ``notices`` say what went wrong with keeping what was done.

    >>> from gradatim.course import CHAPTERS
    >>> "Gradient descent" in contents_page(CHAPTERS, {})
    True
    """
    rows = "".join(
        f'<li><a href="{link.format(slug=chapter.slug)}">'
        f'<span class="number">{chapter.number}</span>'
        f"<span>{escaped(chapter.title)}</span>"
        f'<span class="done">{_state_of(chapter, done)}</span>'
        f'<span class="about">{escaped(chapter.about)}</span></a></li>'
        for chapter in chapters
    )
    num_solved = sum(
        _is_noted(done, name, "solved") for c in chapters for name in c.exercises
    )
    num_exercises = sum(len(c.exercises) for c in chapters)
    solved = f"{num_solved} of {num_exercises} exercises solved" if done else ""
    told = "".join(f'<p role="alert">{escaped(notice)}</p>' for notice in notices)
    body = (
        "<main><h1>PyTorch, step by step</h1>"
        "<p>One straight line, trained again and again: each chapter lets PyTorch take "
        "over one more thing, from NumPy by hand to a Trainer. Each asks for "
        "predictions, moves, breaks, and gives an exercise. You need some Python and "
        "school mathematics; nothing of PyTorch. A chapter takes a quarter of an hour "
        "or more.</p>"
        f"<p>{solved}</p>{told}"
        f"<ol>{rows}</ol></main>"
    )
    return page("PyTorch, step by step", body, style=STYLE)


def _is_noted(done: Mapping[str, Any], name: str, what: str) -> bool:
    about = done.get(name)
    return isinstance(about, dict) and bool(about.get(what))


def _state_of(chapter: Chapter, done: Mapping[str, Any]) -> str:
    if chapter.exercises:
        num = sum(_is_noted(done, name, "solved") for name in chapter.exercises)
        if num:
            return f"{num} of {len(chapter.exercises)} solved"
    return "opened" if _is_noted(done, chapter.slug, "opened") else ""
