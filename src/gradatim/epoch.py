"""How far a training is: the plan of a ``fit``, the epoch at hand, its means."""

import functools
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from gradatim.data.batches import Batches
from gradatim.deferred import DeferredScalars
from gradatim.errors import ConfigError

__all__ = ["EpochSoFar", "MeanLoss", "Plan", "no_batch_message"]


@dataclass(eq=False)
class Plan:
    """What a running ``fit`` is going to do: its epochs, steps, batches and callbacks.

    A run that goes on moves ``first_epoch`` and ``first_step`` back to where it began.
    """

    first_epoch: int
    epochs: int | None
    """The number of epochs that ``fit`` was given."""
    batches: Batches
    val_batches: Batches | None
    callbacks: Sequence[Any]
    """The callbacks that ``fit`` was given, without the progress display."""
    first_step: int = 0
    max_steps: int | None = None
    """The number of updates that ``fit`` was given."""
    val_every: int | None = None
    """Updates from one validation to the next; None for one at the end of an epoch."""
    epoch_steps: int | None = None
    """Updates in an epoch; None where an epoch is a pass over the data."""
    completed: bool = False
    """Whether the epochs ended without an error: True in ``on_fit_end`` then."""
    only_at_the_end: list[str] = field(default_factory=list)
    """What the last row has that it would not have if more updates had been planned:
    empty before it."""

    def __post_init__(self) -> None:
        if self.epochs is None and self.max_steps is None:
            raise ConfigError(
                "fit() was told neither epochs= nor max_steps=.\n"
                "It would not know when to end.\n"
                "Give one: epochs=10 passes over the data, or max_steps=1000 updates."
            )
        for name in ("epochs", "max_steps", "val_every", "epoch_steps"):
            value = getattr(self, name)
            if value is not None and (type(value) is not int or value < 1):
                raise ConfigError(
                    f"{name} must be a whole number from 1, got {value!r}."
                )
        if self.val_every is not None and self.val_batches is None:
            raise ConfigError(
                f"val_every={self.val_every}, but fit() has no validation data.\n"
                "Nothing would be validated.\n"
                "Give them as the second argument, or leave val_every out."
            )

    @property
    def last_epoch(self) -> int | None:
        """Whole epochs at the end; None where only the steps are planned."""
        return None if self.epochs is None else self.first_epoch + self.epochs

    @property
    def last_step(self) -> int | None:
        """Updates at the end; None where only the epochs are planned."""
        return None if self.max_steps is None else self.first_step + self.max_steps

    @functools.cached_property
    def batches_per_epoch(self) -> int | None:
        """Batches of an epoch; None where only its end will tell."""
        return self.epoch_steps or self.batches.num_batches

    def is_done(self, epoch: int, num_steps: int) -> bool:
        """Tell whether so many whole epochs, or so many updates, are all."""
        last_epoch, last_step = self.last_epoch, self.last_step
        return (last_epoch is not None and epoch >= last_epoch) or (
            last_step is not None and num_steps >= last_step
        )

    def goes_on(self, so_far: "EpochSoFar", epoch: int, num_steps: int) -> bool:
        """Tell whether an epoch is to be begun, or to be ended."""
        # An epoch whose last update is done is to be validated yet.
        return so_far.num_batches > 0 or not self.is_done(epoch, num_steps)

    def last_batch(self, so_far: "EpochSoFar", num_steps: int) -> int | None:
        """Number the epoch's last batch; None where the end of the pass is its end."""
        ends = [] if self.epoch_steps is None else [self.epoch_steps]
        if self.last_step is not None:
            ends.append(so_far.num_batches + self.last_step - num_steps)
        return min(ends, default=None)

    def validates_within(
        self, so_far: "EpochSoFar", num_steps: int, last_batch: int | None
    ) -> bool:
        """Tell whether there is a validation here, in the middle of an epoch."""
        if self.val_every is None or num_steps % self.val_every:
            return False
        is_last = so_far.num_batches in (last_batch, self.batches_per_epoch)
        return so_far.row_num_batches > 0 and not is_last

    def validates_after(self, so_far: "EpochSoFar", epoch: int, num_steps: int) -> bool:
        """Tell whether there is a validation at the end of the epoch at hand.

        It is told the numbers of epochs and of updates that are done by then.
        """
        if self.val_batches is None or not so_far.row_num_batches:
            return False  # the last row was validated, and is of this very update
        return (
            self.val_every is None
            or num_steps % self.val_every == 0
            or self.is_done(epoch, num_steps)
        )

    def note_end(
        self, so_far: "EpochSoFar", epoch: int, num_steps: int, *, is_cut: bool
    ) -> None:
        """Note what is done here only because this is the end.

        It is told the numbers of epochs and of updates that are done by then, and
        whether the epoch at hand is cut short.
        """
        if not self.is_done(epoch, num_steps):
            return
        if is_cut:
            self.only_at_the_end.append(
                f"epoch {epoch} was cut short by max_steps after "
                f"{so_far.num_batches:,} updates"
            )
        if self.val_every is not None and num_steps % self.val_every:
            self.only_at_the_end.append(
                f"step {num_steps:,} was validated because it was the last one"
            )

    def num_updates(self) -> int | None:
        """Tell how many updates this ``fit`` will make; None where nobody knows."""
        counts = [] if self.max_steps is None else [self.max_steps]
        if self.epochs is not None and self.batches_per_epoch is not None:
            counts.append(self.epochs * self.batches_per_epoch)
        elif self.max_steps is None:
            return None
        return min(counts)

    def share_done(self, epoch: int, num_batches: int, num_steps: int) -> float:
        """Tell how much of this ``fit`` is done, from 0 to 1.

        It is told the number of whole epochs, of batches of the epoch at hand, and of
        updates.
        """
        share = 0.0
        if self.epochs is not None:
            done: float = epoch - self.first_epoch
            if self.batches_per_epoch:
                done += num_batches / self.batches_per_epoch
            share = done / self.epochs
        if self.max_steps is not None:
            share = max(share, (num_steps - self.first_step) / self.max_steps)
        return max(0.0, min(1.0, share))


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
    """How far an epoch is, and the means for the next row of the history.

    Args:
        mean: The mean loss since the last row of the history.

    Attributes:
        num_batches: Batches of the epoch, those whose update was left out included.
        num_rows: Rows of the epoch that are trained on.
        means: Means over rows of named values, since the last row of the history.
        values: Named values for the next row of the history, as they are.
        is_over: Whether the last update of the epoch is done.
        in_update: Whether a value that is logged now is one of the update at hand.
        update_rows: Rows trained on in the update at hand; None until that is known,
            as it may be left out.
    """

    def __init__(self, mean: MeanLoss) -> None:
        self.num_batches = 0
        self.num_rows = 0
        self.is_over = False
        self.in_update = False
        self.update_rows: int | None = None
        self._logged: list[tuple[str, Tensor]] = []
        """What is logged in an update until its rows are known."""
        self.begin_row(mean)

    def begin_row(self, mean: MeanLoss) -> None:
        """Begin with what the next row of the history will have."""
        self.mean = mean
        self.means: dict[str, MeanLoss] = {}
        self.values: dict[str, float | str] = {}
        self.row_num_batches = 0
        """Batches since the last row of the history."""
        self.row_num_rows = 0
        """Rows trained on since then."""
        self.seconds = 0.0
        """Seconds that an earlier process trained since the last row."""
        self.begin = time.perf_counter()

    def end_update(self, rows: int) -> None:
        """Count an update that trained on so many rows, none where it was left out."""
        self.update_rows = rows
        self.num_batches += 1
        self.row_num_batches += 1
        self.num_rows += rows
        self.row_num_rows += rows
        if self._logged:
            for name, value in self._logged:
                self.note(name, value, rows)
            self._logged.clear()

    def log(self, name: str, value: Tensor) -> None:
        """Add a value of the update at hand to the mean of that name."""
        value = value.detach().clone()  # the program may go on to change it in place
        if self.update_rows is None:
            self._logged.append((name, value))
        else:
            self.note(name, value, self.update_rows)

    def note(
        self, name: str, value: Tensor, weight: float | Tensor, *, sums: bool = False
    ) -> None:
        """Add a batch's value to the mean of that name; a device is not waited for."""
        if name not in self.means:
            self.means[name] = MeanLoss(sums=sums)
        self.means[name].add(value, weight)

    def noted(self) -> dict[str, Any]:
        """Wait for values on a device; give all named values for the history."""
        means = {name: mean.value() for name, mean in self.means.items()}
        return means | self.values

    def samples_per_s(self) -> float | None:
        """Give the speed so far; None before the first batch is done."""
        seconds = time.perf_counter() - self.begin
        return self.row_num_rows / seconds if self.row_num_batches else None

    def state_dict(self) -> dict[str, Any]:
        """Give the counts, and the sums of which the means are made.

        A loss that the step has not read yet is not in the sums: flush the step first.
        """
        self.noted()
        seconds = time.perf_counter() - self.begin if self.row_num_batches else 0.0
        return {
            "num_batches": self.num_batches,
            "num_rows": self.num_rows,
            "row_num_batches": self.row_num_batches,
            "row_num_rows": self.row_num_rows,
            "seconds": seconds,
            "loss_total": self.mean.total,
            "loss_weight": self.mean.weight,
            "means": {
                name: {"sums": mean.sums, "total": mean.total, "weight": mean.weight}
                for name, mean in self.means.items()
            },
            "values": dict(self.values),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state_dict` gave."""
        self.num_batches = int(state["num_batches"])
        self.num_rows = int(state["num_rows"])
        # Before there were rows in the middle of an epoch, all rows counted.
        self.row_num_rows = int(state.get("row_num_rows", self.num_rows))
        # Before an update could be left out, a batch always had rows.
        had_rows = int(self.row_num_rows > 0)
        self.row_num_batches = int(state.get("row_num_batches", had_rows))
        self.seconds = float(state["seconds"])
        self.mean.total = float(state["loss_total"])
        self.mean.weight = float(state["loss_weight"])
        for name, sums in state.get("means", {}).items():
            mean = self.means[name] = MeanLoss(sums=bool(sums["sums"]))
            mean.total, mean.weight = float(sums["total"]), float(sums["weight"])
        self.values = dict(state.get("values", {}))


def no_batch_message(name: str) -> str:
    """Say that ``name``, an epoch or the data, had no batch."""
    return (
        f"{name} had no batch.\n"
        "A mean over nothing is no number, and nothing can be learned from it.\n"
        "Look for an exhausted iterator, an empty loader, or drop_last with fewer "
        "rows than a batch."
    )
