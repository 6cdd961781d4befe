"""Putting back a checkpoint's state: what changed is kept, what is wrong is refused.

The state is put back by the objects themselves. PyTorch's optimizers and schedules take
whatever they are given. So each is compared with what it was before: values of a wrong
kind, and shapes that would let a fused update write outside of its memory, are refused.
"""

import contextlib
import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from gradatim.errors import DamagedError, GradatimError
from gradatim.run.choices import describe_object, num_described, options_of, plain
from gradatim.text import one_line, shown

__all__ = ["StatesByName", "check_optimizers", "putting_back", "taking_state"]

NUMBERS = (int, float, Tensor)
"""What may stand for a number in a state: one that is a tensor may come as a float."""

SHAPED_LIKE_PARAMETERS = {
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
"""Names in the states of ``torch.optim``'s optimizers whose tensors have the shape of
their parameter. Read from the source of PyTorch 2.13."""


@contextlib.contextmanager
def putting_back(path: Path) -> Iterator[None]:
    """Name the checkpoint in the error of an object that does not take its state."""
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


@dataclass(frozen=True)
class StatesByName:
    """The states of several objects, by their names, put back under guard."""

    objects: Mapping[str, Any]
    """The objects by their names; one without a state is left out."""
    guarded: Callable[[str], tuple[Any, Mapping[str, Any]]]
    """Gives for a name the optimizer or schedule that takes a state, and its
    description when the run began: the arguments of :func:`taking_state`."""

    def state_dict(self) -> dict[str, Any]:
        """Give the state of each object that has one."""
        return {
            name: value.state_dict()
            for name, value in self.objects.items()
            if hasattr(value, "state_dict")
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Give each object its state; objects that are gone were accepted as such."""
        for name, own in state.items():
            value: Any = self.objects.get(name)
            if hasattr(value, "load_state_dict"):
                guarded, began = self.guarded(name)
                taken = own if guarded is value else own.get("scheduler", {})
                with taking_state(guarded, began, taken):
                    value.load_state_dict(own)
        check_optimizers(self.objects.values())


@contextlib.contextmanager
def taking_state(
    value: Any, began: Mapping[str, Any], state: Mapping[str, Any] | None = None
) -> Iterator[None]:
    """Guard an optimizer or a schedule while it takes the state of a run.

    Choices that were changed, and whose change was accepted, stay as they are now. All
    else must be of the kind that it was before.

    Args:
        value: An optimizer or schedule; anything else is left alone.
        began: What :func:`describe_object` gave for it when the run began.
        state: The state that a schedule is about to take. What it lacks would stay as
            the fresh schedule has it, and could not be told from what was taken.
    """
    with _keeping_changes(value, began), _comparing(value, began, state or {}):
        yield


@contextlib.contextmanager
def _keeping_changes(value: Any, began: Mapping[str, Any]) -> Iterator[None]:
    """Keep the changed choices of ``value``, as the state has those of the beginning.

    A changed ``lr`` changes the rate that a schedule has reached by the same factor.
    """
    now = describe_object(value)
    if began.get("class") != now["class"] or began == now:
        yield
    elif isinstance(value, LRScheduler):
        made = copy.deepcopy(value.state_dict())
        yield
        value.load_state_dict(_merged(value.state_dict(), made, began, now))
    elif isinstance(value, Optimizer):
        options = [copy.deepcopy(options_of(group)) for group in value.param_groups]
        yield
        # Groups that were added later keep what was chosen for them then.
        chosen = value.param_groups[: len(num_described(now))]
        for index, group in enumerate(chosen):
            old, new = began.get(str(index), began), now.get(str(index), now)
            reached = group.get("lr")
            group |= _merged(options_of(group), options[index], old, new)
            if "initial_lr" in group:
                group["initial_lr"] = group["lr"]
            if reached is not None and plain(reached) != old["lr"]:
                group["lr"] = reached * (new["lr"] / old["lr"] if old["lr"] else 1.0)
    else:
        yield


def _merged(loaded: Any, made: Any, old: Any, new: Any) -> Any:
    """Take from ``made`` what differs between ``old`` and ``new``, else ``loaded``."""
    if old == new:
        return loaded
    if isinstance(loaded, dict) and isinstance(old, dict) and isinstance(new, dict):
        return {
            key: _merged(part, made.get(key), old.get(str(key)), new.get(str(key)))
            for key, part in loaded.items()
        }
    if isinstance(loaded, list) and len(loaded) == len(made) == len(old) == len(new):
        parts = zip(loaded, made, old, new, strict=True)
        return [_merged(*part) for part in parts]
    return made


@contextlib.contextmanager
def _comparing(
    value: Any, began: Mapping[str, Any], state: Mapping[str, Any]
) -> Iterator[None]:
    """Compare an optimizer or schedule of PyTorch with itself before it took a state.

    They check little themselves: a schedule makes an attribute of every name in its
    state, and the options of an optimizer are first used at the next step.
    """
    same, is_of_torch = began == describe_object(value), _is_of_torch(value)
    if is_of_torch and isinstance(value, LRScheduler):
        before, optimizer = value.state_dict(), value.optimizer
        # Lists with an entry for each group grow with the groups.
        same = same and not any(_has_grown(optimizer))
        _check_alike({k: v for k, v in before.items() if k in state}, state, "", same)
        yield
        replaced = set(vars(value)) & _methods(type(value))
        if value.optimizer is not optimizer:
            replaced.add("optimizer")
        if replaced:
            raise ValueError(f"the state of a schedule has {shown(min(replaced))}")
        _check_alike(before, value.state_dict(), "", same)
    elif is_of_torch and isinstance(value, Optimizer):
        groups = [dict(group) for group in value.param_groups]
        has_grown = _has_grown(value)
        yield
        for index, loaded in enumerate(value.param_groups):
            group = groups[index]
            # Options that a newer version added are set by the optimizer itself.
            added = {*value.defaults, "params", "param_names"} - set(loaded)
            options = {k: v for k, v in group.items() if k not in added | {"params"}}
            _check_alike(options, loaded, "", same and not has_grown[index])
    else:
        yield


def _has_grown(optimizer: Optimizer) -> list[bool]:
    """Tell of each group whether it has more than it had, or is new, since it was made.

    Its options need not be those of the beginning then.
    """
    counts = num_described(describe_object(optimizer))
    return [
        index >= len(counts) or len(group["params"]) != counts[index]
        for index, group in enumerate(optimizer.param_groups)
    ]


def _methods(kind: type) -> set[str]:
    return {n for c in kind.__mro__ for n, part in vars(c).items() if callable(part)}


def _is_of_torch(value: Any) -> bool:
    return type(value).__module__.startswith("torch.optim.")


def _check_alike(before: Any, loaded: Any, name: str, same: bool) -> None:
    """Refuse a value that is not of the kind of the value before, if there was one.

    ``same`` says whether the choices are those of the beginning. Then texts and truth
    values must be equal, and lists as long.
    """
    if before is None or (loaded is None and not same):
        return
    fits = True
    if isinstance(before, (bool, str)):
        fits = type(loaded) is type(before) and (loaded == before or not same)
    elif isinstance(before, NUMBERS):
        fits = isinstance(loaded, NUMBERS) and not isinstance(loaded, bool)
    elif isinstance(before, (list, tuple)):
        is_list = isinstance(loaded, (list, tuple))
        fits = is_list and (len(loaded) == len(before) or not same)
        pairs = zip(before, loaded, strict=False) if fits else ()
        for index, pair in enumerate(pairs):
            _check_alike(*pair, f"{name}.{index}", same)
    elif isinstance(before, Mapping):
        names = [key for key in before if isinstance(key, str)]
        fits = isinstance(loaded, Mapping) and set(names) <= set(loaded)
        for key in names if fits else ():
            _check_alike(before[key], loaded[key], f"{name}.{key}", same)
    if not fits:
        where = f"{name.lstrip('.')} " if name else ""
        raise ValueError(f"{where}is {shown(loaded)}, not like {shown(before)}")


def check_optimizers(objects: Iterable[Any]) -> None:
    """Refuse what an optimizer has loaded in another shape than its parameter's.

    PyTorch does not check it. The fused updates of PyTorch 2.13 go through a state by
    the number of values of its parameter: a shorter state lets them read and write
    memory that is not theirs.
    """
    for optimizer in objects:
        if not isinstance(optimizer, Optimizer):
            continue
        is_of_torch = _is_of_torch(optimizer)
        for group in optimizer.param_groups:
            names_by_dims: dict[int, set[str]] = {}
            # The base class has a default for this option, but puts it in no group.
            needed = set(optimizer.defaults) - {"differentiable"}
            if absent := needed - set(group):
                raise ValueError(f"a group lacks {', '.join(sorted(absent))}")
            for parameter in group["params"]:
                state = optimizer.state.get(parameter, {})
                for name, value in state.items():
                    is_fused = group.get("fused") and name != "step"
                    if is_fused or (is_of_torch and name in SHAPED_LIKE_PARAMETERS):
                        _check_shape(name, value, parameter)
                if state and is_of_torch:
                    names = names_by_dims.setdefault(parameter.dim(), set(state))
                    if set(state) != names:
                        has = f"{sorted(names)}, another {sorted(state)}"
                        raise ValueError(f"one parameter has {has}")


def _check_shape(name: str, value: Any, parameter: Tensor) -> None:
    if value is None:  # as SGD without momentum has it
        return
    shape = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
    if shape != tuple(parameter.shape):
        raise ValueError(
            f"{name} of a parameter of shape {tuple(parameter.shape)} is {shape}"
        )
