"""Whether a schedule of the learning rate fits the training that is planned."""

import warnings
from collections.abc import Callable
from typing import Any

from torch.optim import lr_scheduler as schedules

from gradatim.epoch import Plan
from gradatim.errors import ConfigError, GradatimWarning

__all__ = ["check_schedule"]

LENGTHS = ("total_steps", "T_max", "total_iters")
"""Attributes of PyTorch's schedules that are the number of their steps."""

ENDING = (schedules.OneCycleLR, schedules.CosineAnnealingLR, schedules.PolynomialLR)
"""Schedules that are over after their length; others go on with their last rate."""

MIN_SHARE_OF_UPDATES, MAX_SHARE_OF_UPDATES = 0.8, 1.3
"""A length between these shares of all updates was counted in updates. The numbers are
those of the doctor's rule GT804, chosen by hand, not measured."""

MAX_SHARE_OF_LENGTH = 0.5
"""A schedule that comes to less than this share of its way hardly moves. As above."""

NUM_SAMPLES = 50
"""At so many places of a training the factor of a ``LambdaLR`` is asked for."""

WARMED_UP = 0.5
"""A factor that stays below this share of what it reaches later is in its warm-up.
Chosen by hand, not measured."""


def check_schedule(
    scheduler: Any, *, per: str, plan: Plan, num_done: int, stacklevel: int
) -> None:
    """Compare the length of a schedule with the steps that it will make.

    Args:
        scheduler: One of ``torch.optim.lr_scheduler``.
        per: ``"epoch"`` or ``"step"``: when it is stepped.
        plan: The epochs and updates to come.
        num_done: Steps that the schedule has made already.
        stacklevel: As for ``warnings.warn``.

    Raises:
        ConfigError: PyTorch would raise in the middle of the training.
    """
    num_updates = plan.num_updates()
    num_steps = plan.epochs if per == "epoch" else num_updates
    if num_updates is None or num_steps is None:
        return
    name = type(scheduler).__name__
    length = _length_of(scheduler)
    message = None
    if per == "epoch":
        message = _counted_in_updates(scheduler, length, num_steps, num_updates)
    elif length is not None and isinstance(scheduler, ENDING):
        if num_done + num_steps > length and hasattr(scheduler, "total_steps"):
            raise ConfigError(
                f"{name} has total_steps={length}, but {num_done + num_steps} are "
                "planned, one an update.\n"
                "PyTorch would raise an error when the schedule is over.\n"
                f"Make it with total_steps={num_done + num_steps}, or train for fewer "
                "updates."
            )
        if num_done + num_steps > MAX_SHARE_OF_UPDATES * length:
            message = (
                f"{name} is made for {length} steps, but {num_done + num_steps} are "
                "planned, one an update.\n"
                "After its end the learning rate rises again, or stays at its least.\n"
                "Make it as long as the training."
            )
    if message is not None:
        warnings.warn(message, GradatimWarning, stacklevel=stacklevel + 1)


def _length_of(scheduler: Any) -> int | None:
    lengths = (getattr(scheduler, name, None) for name in LENGTHS)
    return next((length for length in lengths if type(length) is int), None)


def _counted_in_updates(
    scheduler: Any, length: int | None, num_steps: int, num_updates: int
) -> str | None:
    """Say that a schedule which counts updates is stepped once an epoch."""
    cure = 'Step it at each update: LRScheduler(scheduler, per="step").'
    name = type(scheduler).__name__
    if length is not None:
        least = MIN_SHARE_OF_UPDATES * num_updates
        most = MAX_SHARE_OF_UPDATES * num_updates
        if not least <= length <= most or num_steps >= MAX_SHARE_OF_LENGTH * length:
            return None
        return (
            f"{name} is made for {length} steps, about the {num_updates} updates that "
            f"are planned, but is stepped once an epoch, {num_steps} times.\n"
            "The learning rate would stay near where it begins.\n"
            f"{cure}"
        )
    if not isinstance(scheduler, schedules.LambdaLR):
        return None
    for factor_of in scheduler.lr_lambdas:
        step = max(1, num_updates // NUM_SAMPLES)
        reached = _largest(factor_of, range(num_steps + 1))
        later = _largest(factor_of, range(0, num_updates, step))
        if reached is None or later is None:
            continue
        if reached < WARMED_UP * later and reached == _largest(factor_of, [num_steps]):
            return (
                f"{name} is stepped once an epoch, {num_steps} times, and its factor "
                f"comes to {reached:.3g}; it would come to {later:.3g} over the "
                f"{num_updates} updates.\n"
                "The training would end in the warm-up.\n"
                f"{cure}"
            )
    return None


def _largest(factor_of: Callable[[int], Any], steps: Any) -> float | None:
    """Give the largest factor at some steps; None where the function fails there."""
    try:
        return max(float(factor_of(step)) for step in steps)
    except Exception:  # a function of the user's, asked before its time
        return None
