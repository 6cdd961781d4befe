"""The tutorial as a course: sixteen chapters to read, to run and to answer.

The course is for someone who knows Python and wants to see how PyTorch trains. One
straight line is trained again and again, and each chapter lets PyTorch do one more part
of the work. A section first asks for a prediction. Then it shows what happens, and lets
the reader move the controls and break the program on purpose. At its end a chapter has
exercises, whose answers are checked at once. ``gradatim learn`` opens the course in the
browser.

A chapter is a folder::

    ch06_autograd/
        chapter.md       its title, its text, and between the paragraphs what it does
        shows.py         what it computes and draws, and its STATES: the controls that
                         move on a frozen page, with their values, the first one shown
        ex06_update.py   an exercise: task, stub, hint, solution, wrong answers, check

:mod:`~gradatim.course.notebook` describes the blocks of a ``chapter.md`` and makes a
marimo notebook of them. The other files, in the order in which they are best read:

- ``widgets``: what the cells of a notebook show, such as questions and breakages.
- ``exercise``, ``progress``: how an answer is checked, and where progress is kept.
- ``loss_bowl``, ``training_paths``: the line, its loss over a and b, and the paths that
  trainings take there. ``curves``, ``doctor_says``, ``shown_source``: charts, findings
  and sources that several chapters show.
- ``server``, ``contents``: the course in the browser.
- ``freeze``, ``marimo_to_html``: the course as files that need no Python.

CONTRIBUTING.md says how to add a chapter.

Importing this package imports neither marimo nor torch.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from gradatim.errors import ConfigError
from gradatim.text import nearest_name

__all__ = ["CHAPTERS", "Chapter", "find_chapter"]

FOLDER = Path(__file__).parent


@dataclass(frozen=True, kw_only=True, slots=True)
class Chapter:
    """What is known about a chapter without running it."""

    number: int
    """The chapter's place in the course, from 1."""
    name: str
    """The name of its folder without ``ch02_``."""
    title: str
    """The heading of its page."""
    about: str
    """What is learned, in one line."""
    exercises: tuple[str, ...] = ()
    """The names of its exercises, in the order in which it asks for them."""

    @property
    def slug(self) -> str:
        """The name of its folder and of its address: ``ch02_descent``."""
        return f"ch{self.number:02}_{self.name}"

    @property
    def package(self) -> str:
        """The package from which the notebook imports ``shows``."""
        return f"gradatim.course.{self.slug}"

    @property
    def path(self) -> Path:
        """The Markdown file of the chapter."""
        return FOLDER / self.slug / "chapter.md"


def _read_chapter(folder: Path) -> Chapter:
    """Read a chapter's title, subject and exercises from its Markdown file."""
    number, _, name = folder.name.removeprefix("ch").partition("_")
    text = (folder / "chapter.md").read_text(encoding="utf-8")
    _, head, body = text.split("---\n", 2)
    fields = dict(line.split(": ", 1) for line in head.splitlines())
    exercises = re.findall(r"^\*\*Make\.\*\* \[(\w+)\]", body, re.MULTILINE)
    return Chapter(number=int(number), name=name, exercises=tuple(exercises), **fields)


CHAPTERS = tuple(_read_chapter(folder) for folder in sorted(FOLDER.glob("ch[0-9]*")))
"""All chapters, in order."""


def find_chapter(text: str) -> Chapter:
    """Find a chapter by its number or name.

    Raises:
        ConfigError: No chapter has that number or name.

    >>> find_chapter("2").slug, find_chapter("descent").number
    ('ch02_descent', 2)
    """
    for chapter in CHAPTERS:
        if text in (str(chapter.number), chapter.name, chapter.slug):
            return chapter
    names = [chapter.name for chapter in CHAPTERS]
    raise ConfigError(
        f"there is no chapter {text}.{nearest_name(text, names)}\n"
        "gradatim learn list names them all."
    )
