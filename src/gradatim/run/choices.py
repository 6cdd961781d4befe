"""The choices that a run must not change, described as JSON has them.

A description is saved with the run. When the run goes on, it is compared with that of
the objects that are given then.
"""

import functools
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any
from weakref import WeakKeyDictionary

from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from gradatim.data.batches import Batches
from gradatim.data.digest import tensor_digest
from gradatim.data.restart import own_generators
from gradatim.modules import bare
from gradatim.step import TrainStep
from gradatim.torch_private import INNER_SCHEDULES, LAST_RATE, own_buffers

__all__ = [
    "FROZEN",
    "by_class_name",
    "describe_batches",
    "describe_callback",
    "describe_loss",
    "describe_object",
    "describe_step",
    "num_described",
    "options_of",
    "plain",
]

MAX_TENSOR_VALUES = 100
"""A longer tensor is described by its digest. Chosen by hand, not measured."""

FROZEN = "frozen"
"""The field of a module's description with the names of its frozen parameters."""

FIRST_FROZEN: WeakKeyDictionary[nn.Module, list[str]] = WeakKeyDictionary()
"""The parameters of a module that were frozen when it was described first."""

FIRST_DESCRIPTIONS: WeakKeyDictionary[Any, dict[str, Any]] = WeakKeyDictionary()
"""Of optimizers, schedules, steps and losses: the first description of each. Training
changes their numbers, and what was chosen are the numbers before."""


def describe_batches(
    batches: Batches, *, epoch_steps: int | None = None
) -> dict[str, Any]:
    """Give the choices that decide which rows come when, and where an epoch ends."""
    about = _describe_batches(batches)
    return about if epoch_steps is None else {**about, "epoch_steps": epoch_steps}


def _describe_batches(batches: Batches) -> dict[str, Any]:
    loader = batches.loader
    source: Any = batches if loader is None else loader
    sizes = {"batch_size": source.batch_size, "drop_last": source.drop_last}
    if loader is None:
        order = {"shuffle": batches.shuffle, "seed": batches.seed}
        return {**sizes, **order, **batches.options.describe()}
    sampler, generators = type(loader.sampler).__name__, len(own_generators(loader))
    return {**sizes, "sampler": sampler, "generators": generators}


def describe_loss(loss_fn: Any) -> dict[str, Any]:
    """Name a loss, with the options of a module and the digest of its buffers.

    >>> describe_loss(nn.HuberLoss(delta=2.0))
    {'name': 'HuberLoss', 'reduction': 'mean', 'delta': 2.0}
    >>> describe_loss(nn.functional.mse_loss)
    {'name': 'mse_loss'}
    """
    if isinstance(loss_fn, functools.partial):
        options = {"args": loss_fn.args, **loss_fn.keywords}
        return {**describe_loss(loss_fn.func), **plain(options)}
    if not isinstance(loss_fn, nn.Module):
        return {"name": getattr(loss_fn, "__qualname__", plain(loss_fn))}
    if loss_fn not in FIRST_DESCRIPTIONS:
        FIRST_DESCRIPTIONS[loss_fn] = _describe_module(loss_fn)
    return FIRST_DESCRIPTIONS[loss_fn]


def _describe_module(module: nn.Module) -> dict[str, Any]:
    names = [n for n in vars(module) if not n.startswith("_") and n != "training"]
    buffers = {n: b for n, b in own_buffers(module).items() if b is not None}
    return {
        "name": type(module).__name__,
        **{name: plain(getattr(module, name)) for name in names},
        **({"buffers": tensor_digest(buffers)["sha256"]} if buffers else {}),
        **{name: _describe_module(part) for name, part in module.named_children()},
    }


def by_class_name(callbacks: Iterable[Any]) -> dict[str, Any]:
    """Name callbacks by their classes: the second of one class is ``Class 2``."""
    named: dict[str, Any] = {}
    for callback in callbacks:
        name, number = type(callback).__name__, 1
        while (key := name if number == 1 else f"{name} {number}") in named:
            number += 1
        named[key] = callback
    return named


def describe_callback(callback: Any) -> dict[str, Any]:
    """Give a callback's ``config()`` and the numbers of its schedule."""
    config = getattr(callback, "config", None)
    about = plain(config()) if callable(config) else {}
    scheduler = getattr(callback, "scheduler", None)
    if isinstance(scheduler, LRScheduler):
        about["scheduler"] = describe_object(scheduler)
    return about


def describe_step(step: TrainStep) -> dict[str, Any]:
    """Give the loss and the options of a train step."""
    return {
        "loss": describe_loss(step.given_loss_fn),
        "max_norm": step.max_norm,
        "num_microbatches": step.num_microbatches,
        "precision": step.precision,
        "on_nonfinite": step.on_nonfinite,
    }


def describe_object(value: Any) -> dict[str, Any]:
    """Give an object's class, and the numbers that were chosen for it.

    Of an optimizer, a schedule or a train step its options, of a module the names of
    frozen parameters. It is the object's first description, whatever training did to it
    since then.

    >>> from torch.optim import SGD
    >>> about = describe_object(SGD(nn.Linear(1, 1).parameters(), lr=0.1))
    >>> about["class"], about["lr"], about["parameters"]
    ('SGD', 0.1, 2)
    """
    about = {"class": type(value).__name__}
    if isinstance(value, nn.Module):
        return {**about, FROZEN: _first_frozen(bare(value))}
    if isinstance(value, (LRScheduler, Optimizer, TrainStep)):
        if value not in FIRST_DESCRIPTIONS:
            FIRST_DESCRIPTIONS[value] = {**about, **_numbers(value)}
        return FIRST_DESCRIPTIONS[value]
    return about


def _first_frozen(module: nn.Module) -> list[str]:
    if module not in FIRST_FROZEN:
        parameters = module.named_parameters()
        FIRST_FROZEN[module] = [n for n, p in parameters if not p.requires_grad]
    return FIRST_FROZEN[module]


def _numbers(value: LRScheduler | Optimizer | TrainStep) -> dict[str, Any]:
    if isinstance(value, TrainStep):
        return describe_step(value)
    if isinstance(value, LRScheduler):
        return _without_last_lr(plain(value.state_dict()))
    groups = [
        {**plain(options_of(group)), "parameters": len(group["params"])}
        for group in value.param_groups
    ]
    return groups[0] if len(groups) == 1 else {str(i): g for i, g in enumerate(groups)}


def num_described(about: Mapping[str, Any]) -> list[int]:
    """Give how many parameters each group had when an optimizer was described.

    >>> from torch.optim import SGD
    >>> num_described(describe_object(SGD(nn.Linear(1, 1).parameters())))
    [2]
    """
    groups = [about] if "parameters" in about else _numbered(about)
    return [int(group["parameters"]) for group in groups]


def _numbered(about: Mapping[str, Any]) -> list[Any]:
    return [about[key] for key in about if key.isdigit()]


def _without_last_lr(state: dict[str, Any]) -> dict[str, Any]:
    """Leave out the rate with which a schedule begins: other numbers decide it."""
    kept = {name: value for name, value in state.items() if name != LAST_RATE}
    if INNER_SCHEDULES in kept:
        kept[INNER_SCHEDULES] = list(map(_without_last_lr, kept[INNER_SCHEDULES]))
    return kept


def options_of(group: dict[str, Any]) -> dict[str, Any]:
    """Give the options of an optimizer's group as they were chosen.

    A schedule puts its own rate in place of the chosen one, which it keeps as
    ``initial_lr``.
    """
    left_out = ("params", "param_names", "initial_lr")
    options = {name: value for name, value in group.items() if name not in left_out}
    return options | ({"lr": group["initial_lr"]} if "initial_lr" in group else {})


def plain(value: Any) -> Any:
    """Give ``value`` as JSON has it, so that it compares equal after reading."""
    if isinstance(value, Tensor):
        is_long = value.numel() > MAX_TENSOR_VALUES
        value = tensor_digest(value)["sha256"] if is_long else value.tolist()
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    if value is None or type(value) in (bool, int, str):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    # An address is another one in each process.
    return re.sub(" at 0x[0-9a-f]+", "", str(value))
