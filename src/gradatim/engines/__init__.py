"""Engines: the ways to run the same step. A file per engine, and what each answers.

A step clears the gradients, asks its engine for the loss and the gradients of a batch,
decides whether the update is left out, shortens the gradients where that was asked for,
and lets the engine update the parameters. The engine decides how forward, backward and
update are computed, never what: every engine passes the parity tests of ``eager``,
which computes as a loop written by hand does.

A new engine is a file here with one class that has what :class:`Engine` asks for.
``tests/parity/test_engines.py`` finds it by itself.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor, nn

from gradatim.losses import LossFn
from gradatim.weighing import Weighing

__all__ = ["Engine", "StepParts"]


@dataclass(frozen=True, kw_only=True, slots=True)
class StepParts:
    """What an engine runs: the parts of one step."""

    model: nn.Module
    forward: Callable[[nn.Module, Any], tuple[Any, Any]]
    """Gives ``(predictions, targets)`` of a batch, which is a tuple."""
    loss_fn: LossFn
    """The loss, behind the check of its shapes."""
    optimizer: torch.optim.Optimizer
    weighing: Weighing
    """Tells how much the mean loss of each microbatch counts."""
    num_microbatches: int
    """Forward and backward run on so many parts of a batch, one after the other."""
    autocast_dtype: torch.dtype | None
    """What autocast computes forward and loss in; None for no autocast."""
    scaler: torch.amp.GradScaler | None
    """Scales the loss before backward where forward runs in float16; else None."""


class Engine(Protocol):
    """One way to run a step."""

    name: ClassVar[str]
    """What messages and the record of a run call this engine: ``"eager"``."""

    rtol: ClassVar[float]
    """By what share its losses, weights and optimizer state may differ from those of a
    loop written by hand on the CPU. Where ``atol`` is 0 too, not one bit may differ."""

    atol: ClassVar[float]
    """By how much they may differ beside that share, in their own units."""

    parts_of_loss: dict[str, Tensor]
    """The named parts of the last batch's loss, 0-dim, detached; empty where the loss
    has none. With microbatches they are joined as the loss is."""

    @classmethod
    def why_not(cls, parts: StepParts) -> list[str]:
        """Name everything in ``parts`` that this engine cannot run; empty if nothing.

        It is asked before :meth:`prepare`. An engine never falls back to another one.
        """

    def prepare(self, parts: StepParts) -> None:
        """Take over the parts of a step, before its first batch."""

    def forward_backward(self, batch: Any) -> Tensor:
        """Compute the loss of a batch, and leave its gradients in ``.grad``.

        Args:
            batch: A tuple, with rows along dim 0. Where ``num_microbatches`` is more
                than 1, the gradients are those of the whole batch all the same.

        Returns:
            The loss of the whole batch, 0-dim, detached, on its device. It may be NaN:
            what that means is the step's business.

        Raises:
            ShapeMismatchError: Predictions and targets do not pair up.
            LossError: The loss is no scalar, or has no graph.
        """

    def update(self, closure: Callable[[], Tensor] | None = None) -> bool:
        """Move the parameters by the optimizer, against their gradients.

        Args:
            closure: For optimizers such as LBFGS, which ask for the loss themselves,
                several times an update.

        Returns:
            False where float16 gradients overflowed, and the parameters stay.
        """
