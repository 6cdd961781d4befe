"""How far a training is: the epochs of a ``fit``, the epoch at hand, its mean loss."""

import functools
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from gradatim.data.batches import Batches
from gradatim.deferred import DeferredScalars

__all__ = ["EpochSoFar", "MeanLoss", "Plan", "no_batch_message"]


@dataclass(eq=False)
class Plan:
    """What a running ``fit`` is going to do: its epochs, batches and callbacks.

    A callback may change ``first_epoch`` and ``last_epoch``.
    """

    first_epoch: int
    epochs: int
    """The number of epochs that ``fit`` was given."""
    batches: Batches
    val_batches: Batches | None
    callbacks: Sequence[Any]
    """The callbacks that ``fit`` was given, without the progress display."""
    completed: bool = False
    """Whether the epochs ended without an error: True in ``on_fit_end`` then."""

    def __post_init__(self) -> None:
        self.last_epoch = self.first_epoch + self.epochs

    @functools.cached_property
    def batches_per_epoch(self) -> int | None:
        """Batches of an epoch; None where only its end will tell."""
        return self.batches.num_batches

    def share_done(self, epoch: int, num_batches: int) -> float:
        """Tell how much of this ``fit`` is done, from 0 to 1.

        It is told the number of whole epochs, and of batches of the epoch at hand.
        """
        done: float = epoch - self.first_epoch
        if self.batches_per_epoch:
            done += num_batches / self.batches_per_epoch
        return min(1.0, done / max(1, self.last_epoch - self.first_epoch))


class MeanLoss:
    """The mean loss over samples, from the mean losses of batches.

    The sums are numbers of the host, in double precision.

    Args:
        sums: Whether a batch's loss is a sum already, which its weight divides.

    >>> import torch
    >>> mean = MeanLoss()
    >>> mean.add(torch.tensor(1.0), 3); mean.add(torch.tensor(5.0), 1)
    >>> mean.value()
    2.0
    """

    def __init__(self, *, sums: bool = False) -> None:
        self.sums = sums
        self.total = 0.0
        self.weight = 0.0
        self._deferred = DeferredScalars()

    def add(self, loss: Tensor, weight: float | Tensor) -> None:
        """Add a batch's loss and how much it weighs; a device is not waited for."""
        if loss.is_cpu:
            self.add_numbers(loss.item(), float(weight))
            return
        self._deferred.push(loss, weight)
        for numbers in self._deferred.arrived():
            self.add_numbers(*numbers)

    def add_numbers(self, loss: float, weight: float) -> None:
        """Add a batch's loss and its weight where both are on the host already."""
        if weight:
            self.total += loss if self.sums else loss * weight
            self.weight += weight

    def value(self) -> float:
        """Wait for the losses that are still on a device; give the mean of all."""
        for numbers in self._deferred.drain():
            self.add_numbers(*numbers)
        return self.so_far()

    def so_far(self) -> float:
        """Give the mean of the losses on the host, without waiting; NaN before one."""
        return self.total / self.weight if self.weight else math.nan


class EpochSoFar:
    """How far an epoch is."""

    def __init__(self, mean: MeanLoss) -> None:
        self.mean = mean
        self.num_batches = 0
        """Batches trained on."""
        self.num_rows = 0
        """Rows trained on."""
        self.seconds = 0.0
        """Seconds that an earlier process spent on its part of this epoch."""
        self.begin = time.perf_counter()

    def samples_per_s(self) -> float | None:
        """Give the speed so far; None before the first batch is done."""
        seconds = time.perf_counter() - self.begin
        return self.num_rows / seconds if self.num_rows else None

    def state_dict(self) -> dict[str, Any]:
        """Give the counts, and the sums of which the mean loss is made.

        A loss that the step has not read yet is not in the sums: flush the step first.
        """
        seconds = time.perf_counter() - self.begin if self.num_batches else 0.0
        return {
            "num_batches": self.num_batches,
            "num_rows": self.num_rows,
            "seconds": seconds,
            "loss_total": self.mean.total,
            "loss_weight": self.mean.weight,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state_dict` gave."""
        self.num_batches = int(state["num_batches"])
        self.num_rows = int(state["num_rows"])
        self.seconds = float(state["seconds"])
        self.mean.total = float(state["loss_total"])
        self.mean.weight = float(state["loss_weight"])


def no_batch_message(name: str) -> str:
    """Say that ``name``, an epoch or the data, had no batch."""
    return (
        f"{name} had no batch.\n"
        "A mean over nothing is no number, and nothing can be learned from it.\n"
        "Look for an exhausted iterator, an empty loader, or drop_last with fewer "
        "rows than a batch."
    )
