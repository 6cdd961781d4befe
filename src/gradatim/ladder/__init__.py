"""The tutorial's line in fourteen programs, from NumPy by hand to gradatim.

In each program, a *rung*, PyTorch or gradatim takes over one more thing. The rungs are
``rung_01_numpy.py`` to ``rung_14_gradatim.py``, to be read in this order. Each has one
function ``run()`` that prints as it goes; run one with
``python -m gradatim.ladder.rung_05_autograd`` or ``gradatim ladder 5``. ``table`` runs
and times them all for ``gradatim ladder``.

The rungs that train take ``epochs`` and return ``(a, b, losses)``: two floats and a
dict of lists, ``losses["train_loss"]`` and in the last two also ``losses["val_loss"]``.
Rung 2, which solves for the line, returns the same. Rung 3 returns its two tensors;
rungs 4 and 6 return nothing.

What a rung must never do: move the global random numbers of torch or NumPy.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["RUNGS", "Rung"]


@dataclass(frozen=True, slots=True)
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
    """What the rung is about, in a word or two."""
    replaces: str
    """What replaces what from the rung before, in one line."""
    updates_per_epoch: int = 0
    """How many updates use each of the 80 points once; 0 if the rung does not train."""

    @property
    def trains(self) -> bool:
        """Whether the rung trains the line; its ``run`` then takes ``epochs``."""
        return self.updates_per_epoch > 0

    def load(self) -> Callable[..., Any]:
        """Import the rung and return its ``run``."""
        module: Any = importlib.import_module(f"{__name__}.{self.module}")
        run: Callable[..., Any] = module.run
        return run

    def source(self) -> str:
        """Return the text of the program."""
        return (Path(__file__).parent / f"{self.module}.py").read_text(encoding="utf-8")


RUNGS = (
    Rung(1, "rung_01_numpy", "NumPy", "nothing: all by hand", 1),
    Rung(2, "rung_02_check", "check", "nothing: least squares checks rung 1"),
    Rung(3, "rung_03_tensors", "tensors", "tensors for arrays"),
    Rung(4, "rung_04_parameters", "parameters", "leaf tensors for numbers"),
    Rung(5, "rung_05_autograd", "autograd", "backward() for the derivatives", 1),
    Rung(6, "rung_06_graph", "graph", "nothing: a look inside backward()"),
    Rung(7, "rung_07_optimizer", "optimizer", "SGD for the update and the zeroing", 1),
    Rung(8, "rung_08_loss", "loss", "MSELoss for the error and its mean", 1),
    Rung(9, "rung_09_model", "model", "a Module for the line's formula", 1),
    Rung(
        10, "rung_10_nested", "nested model", "Linear and Sequential for the class", 1
    ),
    Rung(
        11,
        "rung_11_train_step",
        "train step",
        "train_step(x, y) for the loop's body",
        1,
    ),
    Rung(12, "rung_12_loaders", "loaders", "mini-batches for all points at once", 5),
    Rung(13, "rung_13_evaluation", "evaluation", "nothing: adds a validation loop", 5),
    Rung(14, "rung_14_gradatim", "gradatim", "Trainer.fit for both loops", 5),
)
"""All rungs, in the tutorial's order."""
