"""A checkpoint's state, put back with suspicion: torch's own objects take anything."""

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim.lr_scheduler import LRScheduler

from gradatim.errors import DamagedError, GradatimError, shown, told

__all__ = ["check_optimizers", "check_schedule", "taking"]

LIKE_PARAMETERS = {
    "acc_delta",
    "ax",
    "exp_avg",
    "exp_avg_sq",
    "exp_inf",
    "grad_avg",
    "max_exp_avg_sq",
    "momentum_buffer",
    "prev",
    "square_avg",
    "sum",
}
"""What the optimizers of ``torch.optim`` keep for each number of a parameter."""


@contextlib.contextmanager
def taking(path: Path) -> Iterator[None]:
    """Tell of a state that its object does not take, with the checkpoint's name.

    Raises:
        DamagedError: It does not.
    """
    try:
        yield
    except GradatimError:
        raise
    except (
        ArithmeticError,
        AssertionError,
        AttributeError,
        LookupError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        raise DamagedError(
            f"{path} holds a state that is not taken: {type(error).__name__}: "
            f"{told(error)}.\n"
            "It was changed by hand, or the code that takes it was.\n"
            "Go on with the code that the run began with, or begin a new run."
        ) from error


def check_optimizers(objects: Iterable[Any]) -> None:
    """Check the shapes of a state that optimizers have taken without a look.

    The fused updates of PyTorch 2.13 go through it by the number of values that the
    parameter has, and so read and write memory that is not theirs.

    Raises:
        ValueError: A tensor has another shape than its parameter.
    """
    for optimizer in objects:
        if not isinstance(optimizer, torch.optim.Optimizer):
            continue
        is_torchs = type(optimizer).__module__.startswith("torch.optim.")
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                for name, value in optimizer.state.get(parameter, {}).items():
                    all_of_it = group.get("fused") and name != "step"
                    if all_of_it or (is_torchs and name in LIKE_PARAMETERS):
                        _check_shape(name, value, parameter)


def check_schedule(value: Any, state: Any) -> None:
    """Check a state that a schedule takes as its attributes, whatever their names.

    Raises:
        ValueError: It would take the place of a method, or of the optimizer.
    """
    if isinstance(value, LRScheduler):
        for name in state:
            if name == "optimizer" or callable(getattr(type(value), str(name), None)):
                raise ValueError(f"the state of a schedule has {shown(name)}")


def _check_shape(name: str, value: Any, parameter: Tensor) -> None:
    if value is None:  # SGD without momentum
        return
    shape = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
    if shape != tuple(parameter.shape):
        raise ValueError(
            f"{name} of a parameter of shape {tuple(parameter.shape)} is {shape}"
        )
