"""A checkpoint's state, put back with suspicion: torch's own objects take anything."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from gradatim.errors import DamagedError, GradatimError
from gradatim.run.choices import describe_object
from gradatim.text import one_line, shown

__all__ = ["check_optimizers", "comparing", "taking"]

NUMBERS = (int, float, Tensor)

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
            f"{one_line(error)}.\n"
            "It was changed by hand, or the code that takes it was.\n"
            "Go on with the code that the run began with, or begin a new run."
        ) from error


@contextlib.contextmanager
def comparing(value: Any, old: Any) -> Iterator[None]:
    """Compare an optimizer or schedule of PyTorch with itself before it took a state.

    They look at little themselves: a schedule makes attributes of all that is there,
    and an optimizer's options are used at the next step.

    Args:
        value: Takes its state meanwhile; anything else is left alone.
        old: What ``describe_object`` gave of it as the run began.

    Raises:
        ValueError: The state had another kind of value, or lacked one.
    """
    if not _is_torchs(value):
        yield
        return
    same = old == describe_object(value)
    if isinstance(value, LRScheduler):
        made, optimizer = value.state_dict(), value.optimizer
        yield
        taken = set(vars(value)) & _methods(type(value))
        if value.optimizer is not optimizer:
            taken.add("optimizer")
        for name in sorted(taken):
            raise ValueError(f"the state of a schedule has {shown(name)}")
        _check_like(made, value.state_dict(), "", same)
    elif isinstance(value, Optimizer):
        groups = [dict(group) for group in value.param_groups]
        yield
        for group, loaded in zip(groups, value.param_groups, strict=True):
            # What a newer version added is set by the optimizer itself.
            added = {*value.defaults, "params", "param_names"} - set(loaded)
            options = {k: v for k, v in group.items() if k not in added | {"params"}}
            _check_like(options, loaded, "", same)
    else:
        yield


def _methods(kind: type) -> set[str]:
    return {n for c in kind.__mro__ for n, part in vars(c).items() if callable(part)}


def _is_torchs(value: Any) -> bool:
    return type(value).__module__.startswith("torch.optim.")


def _check_like(made: Any, found: Any, name: str, same: bool) -> None:
    """Compare kinds; and what texts, lengths and truth values are, where it is same."""
    if made is None or (found is None and not same):
        return
    fits = True
    if isinstance(made, (bool, str)):
        fits = type(found) is type(made) and (found == made or not same)
    elif isinstance(made, NUMBERS):
        fits = isinstance(found, NUMBERS) and not isinstance(found, bool)
    elif isinstance(made, (list, tuple)):
        is_long = isinstance(found, (list, tuple))
        fits = is_long and (len(found) == len(made) or not same)
        for index, parts in enumerate(zip(made, found, strict=False) if fits else ()):
            _check_like(*parts, f"{name}.{index}", same)
    elif isinstance(made, Mapping):
        names = [key for key in made if isinstance(key, str)]
        fits = isinstance(found, Mapping) and set(names) <= set(found)
        for key in names if fits else ():
            _check_like(made[key], found[key], f"{name}.{key}", same)
    if not fits:
        where = f"{name.lstrip('.')} " if name else ""
        raise ValueError(f"{where}is {shown(found)}, not like {shown(made)}")


def check_optimizers(objects: Iterable[Any]) -> None:
    """Check what optimizers have taken for their parameters, without a look at shapes.

    The fused updates of PyTorch 2.13 go through it by the number of values that the
    parameter has, and so read and write memory that is not theirs.

    Raises:
        ValueError: A tensor has another shape than its parameter, or is not there.
    """
    for optimizer in objects:
        if not isinstance(optimizer, Optimizer):
            continue
        names: dict[Any, set[str]] = {}
        for number, group in enumerate(optimizer.param_groups):
            # Of the one left out the base class has a default, but no group.
            needed = set(optimizer.defaults) - {"differentiable"}
            if absent := needed - set(group):
                raise ValueError(f"a group lacks {', '.join(sorted(absent))}")
            for parameter in group["params"]:
                state = optimizer.state.get(parameter, {})
                for name, value in state.items():
                    all_of_it = group.get("fused") and name != "step"
                    if all_of_it or (_is_torchs(optimizer) and name in LIKE_PARAMETERS):
                        _check_shape(name, value, parameter)
                if state and _is_torchs(optimizer):
                    alike = names.setdefault((number, parameter.dim()), set(state))
                    if set(state) != alike:
                        has = f"{sorted(alike)}, another {sorted(state)}"
                        raise ValueError(f"one parameter has {has}")


def _check_shape(name: str, value: Any, parameter: Tensor) -> None:
    if value is None:  # SGD without momentum
        return
    shape = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
    if shape != tuple(parameter.shape):
        raise ValueError(
            f"{name} of a parameter of shape {tuple(parameter.shape)} is {shape}"
        )
