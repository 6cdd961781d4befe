"""The tutorial's line trained fourteen times, one more thing taken over each time.

Each rung is a program of its own, ``rung_01_numpy.py`` to ``rung_14_gradatim.py``, with
one function ``run()`` that prints as it goes. Read them in order; run one with
``python -m gradatim.ladder.rung_05_autograd`` or ``gradatim ladder 5``.

Those that train take ``epochs`` and return ``(a, b, losses)``: two floats and a dict of
lists, ``losses["train_loss"]`` and in the last two also ``losses["val_loss"]``. Rung 2,
which solves for the line, returns the same. Rung 3 returns its two tensors, rungs 4 and
6 nothing. None of them moves the global random numbers of torch or NumPy.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["RUNGS", "Rung"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Rung:
    """What is known about a rung without running it.

    >>> rung = RUNGS[4]
    >>> rung.number, rung.title, rung.replaces
    (5, 'autograd', 'backward() for the derivatives')
    """

    number: int
    """1 to 14."""
    module: str
    """The file's name in this package, without ``.py``."""
    title: str
    """What it is about, in a word or two."""
    replaces: str
    """What replaces what, in one line."""
    updates_per_epoch: int = 0
    """Updates until each of the 80 points has been used once; 0: it does not train."""

    @property
    def trains(self) -> bool:
        """Whether it trains the line, and ``run`` takes ``epochs``."""
        return self.updates_per_epoch > 0

    def load(self) -> Callable[..., Any]:
        """Import the rung and return its ``run``."""
        run: Callable[..., Any] = importlib.import_module(
            f"{__name__}.{self.module}"
        ).run
        return run

    def source(self) -> str:
        """Return the text of the program."""
        return (Path(__file__).parent / f"{self.module}.py").read_text(encoding="utf-8")


RUNGS = (
    Rung(
        number=1,
        module="rung_01_numpy",
        title="NumPy",
        replaces="nothing: all by hand",
        updates_per_epoch=1,
    ),
    Rung(
        number=2,
        module="rung_02_check",
        title="check",
        replaces="nothing: least squares checks rung 1",
    ),
    Rung(
        number=3,
        module="rung_03_tensors",
        title="tensors",
        replaces="tensors for arrays",
    ),
    Rung(
        number=4,
        module="rung_04_parameters",
        title="parameters",
        replaces="leaf tensors for numbers",
    ),
    Rung(
        number=5,
        module="rung_05_autograd",
        title="autograd",
        replaces="backward() for the derivatives",
        updates_per_epoch=1,
    ),
    Rung(
        number=6,
        module="rung_06_graph",
        title="graph",
        replaces="nothing: a look inside backward()",
    ),
    Rung(
        number=7,
        module="rung_07_optimizer",
        title="optimizer",
        replaces="SGD for the update and the zeroing",
        updates_per_epoch=1,
    ),
    Rung(
        number=8,
        module="rung_08_loss",
        title="loss",
        replaces="MSELoss for the error and its mean",
        updates_per_epoch=1,
    ),
    Rung(
        number=9,
        module="rung_09_model",
        title="model",
        replaces="a Module for the line's formula",
        updates_per_epoch=1,
    ),
    Rung(
        number=10,
        module="rung_10_nested",
        title="nested model",
        replaces="Linear and Sequential for the class",
        updates_per_epoch=1,
    ),
    Rung(
        number=11,
        module="rung_11_train_step",
        title="train step",
        replaces="train_step(x, y) for the loop's body",
        updates_per_epoch=1,
    ),
    Rung(
        number=12,
        module="rung_12_loaders",
        title="loaders",
        replaces="mini-batches for all points at once",
        updates_per_epoch=5,
    ),
    Rung(
        number=13,
        module="rung_13_evaluation",
        title="evaluation",
        replaces="nothing: adds a validation loop",
        updates_per_epoch=5,
    ),
    Rung(
        number=14,
        module="rung_14_gradatim",
        title="gradatim",
        replaces="Trainer.fit for both loops",
        updates_per_epoch=5,
    ),
)
"""All rungs, in the tutorial's order."""
