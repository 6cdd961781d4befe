"""The tutorial as a course: chapters to read and run, with questions and exercises.

``gradatim learn`` opens it in the browser. A chapter is a marimo notebook, a file of
plain Python in ``chapters/``; what it computes and draws is in gradatim itself.
Importing this imports neither marimo nor torch.
"""

from dataclasses import dataclass
from pathlib import Path

from gradatim.errors import ConfigError
from gradatim.text import nearest_name

__all__ = ["CHAPTERS", "Chapter", "find_chapter"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Chapter:
    """What is known about a chapter without running it."""

    number: int
    """From 1, in the tutorial's order."""
    name: str
    """Of its file, after ``ch02_`` and without ``.py``."""
    title: str
    about: str
    """What is learned, in one line."""
    exercises: tuple[str, ...] = ()
    """Names of files in ``exercises/``, without ``.py``."""

    @property
    def slug(self) -> str:
        """The file's name without ``.py``: ``ch02_descent``."""
        return f"ch{self.number:02}_{self.name}"

    @property
    def path(self) -> Path:
        """Where the notebook is."""
        return Path(__file__).parent / self.slug / "chapter.py"


def _chapters(*lines: tuple[str, str, str, tuple[str, ...]]) -> tuple[Chapter, ...]:
    return tuple(
        Chapter(number=number, name=name, title=title, about=about, exercises=exercises)
        for number, (name, title, about, exercises) in enumerate(lines, 1)
    )


CHAPTERS = _chapters(
    (
        "problem",
        "A line and its points",
        "data, a split, and what is to be found",
        ("ex01_split", "ex01_updates"),
    ),
    (
        "descent",
        "Gradient descent in four steps",
        "loss, gradients, update, again; how large a step may be",
        ("ex02_gradients",),
    ),
    (
        "numpy",
        "All by hand, in NumPy",
        "the four steps as a program, and a check",
        ("ex03_train", "ex03_least_squares"),
    ),
    (
        "tensors",
        "Tensors and devices",
        "arrays that know their device",
        ("ex04_to_tensor", "ex04_to_numpy"),
    ),
    (
        "parameters",
        "Parameters",
        "tensors that ask for a gradient",
        ("ex05_parameter", "ex05_trainable"),
    ),
    (
        "autograd",
        "Autograd, in three attempts",
        "backward, and how to update",
        ("ex06_update", "ex06_pieces"),
    ),
    (
        "graph",
        "The dynamic graph",
        "what backward walks along",
        ("ex07_build", "ex07_leaves"),
    ),
    (
        "optimizers",
        "Optimizers",
        "step and zero_grad",
        ("ex08_sgd", "ex08_momentum"),
    ),
    (
        "losses",
        "Losses",
        "how wrong a line is, and how it goes wrong",
        ("ex09_make_loss", "ex09_shapes"),
    ),
    (
        "models",
        "Models",
        "modules, nested and in sequence",
        ("ex10_module", "ex10_layers"),
    ),
    (
        "step",
        "The train step",
        "the loop's body as a function",
        ("ex11_train_step",),
    ),
    (
        "loaders",
        "Data sets and loaders",
        "mini-batches, and where they live",
        ("ex12_dataset", "ex12_epoch"),
    ),
    (
        "split",
        "Splitting",
        "rows that nothing is chosen by",
        ("ex13_split", "ex13_scale"),
    ),
    (
        "evaluation",
        "Evaluation and schedules",
        "eval, no_grad, and a falling lr",
        ("ex14_validate", "ex14_fit"),
    ),
    (
        "trainer",
        "The Trainer",
        "both loops in one call",
        ("ex15_fit", "ex15_callback"),
    ),
    (
        "table",
        "Your own table",
        "from a file to a model with a score",
        ("ex16_scores",),
    ),
)
"""All chapters, in order."""


def find_chapter(text: str) -> Chapter:
    """Find a chapter by its number or name.

    Raises:
        ConfigError: There is none such.

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
