"""The choices that a run must not change: told as JSON, and kept where accepted."""

import contextlib
import copy
import functools
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from weakref import WeakKeyDictionary

from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from gradatim.data.batches import Batches
from gradatim.data.digest import tensor_digest
from gradatim.data.restart import own_generators

__all__ = [
    "by_class_name",
    "describe_batches",
    "describe_callback",
    "describe_loss",
    "describe_object",
    "keeping_changes",
    "plain",
]

INNER = "_schedulers"
"""Where a schedule made of others has their states."""

FIRST_SEEN: WeakKeyDictionary[Any, dict[str, Any]] = WeakKeyDictionary()
"""Training moves the numbers of optimizers and schedules: those first seen count."""


def describe_batches(batches: Batches) -> dict[str, Any]:
    """Give the choices that decide which rows come when."""
    loader = batches.loader
    source: Any = batches if loader is None else loader
    found = {"batch_size": source.batch_size, "drop_last": source.drop_last}
    if loader is None:
        return {**found, "shuffle": batches.shuffle, "seed": batches.seed}
    sampler, generators = type(loader.sampler).__name__, len(own_generators(loader))
    return {**found, "sampler": sampler, "generators": generators}


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
    if loss_fn not in FIRST_SEEN:
        FIRST_SEEN[loss_fn] = _describe_module(loss_fn)
    return FIRST_SEEN[loss_fn]


def _describe_module(module: nn.Module) -> dict[str, Any]:
    names = [n for n in vars(module) if not n.startswith("_") and n != "training"]
    buffers = {n: b for n, b in module._buffers.items() if b is not None}
    return {
        "name": type(module).__name__,
        **{name: plain(getattr(module, name)) for name in names},
        **({"buffers": tensor_digest(buffers)["sha256"]} if buffers else {}),
        **{name: _describe_module(part) for name, part in module.named_children()},
    }


def by_class_name(callbacks: Iterable[Any]) -> dict[str, Any]:
    """Name callbacks by their classes, the second of one ``EarlyStopping 2``."""
    found: dict[str, Any] = {}
    for callback in callbacks:
        name, number = type(callback).__name__, 1
        while (key := name if number == 1 else f"{name} {number}") in found:
            number += 1
        found[key] = callback
    return found


def describe_callback(callback: Any) -> dict[str, Any]:
    """Give a callback's ``config()`` and the numbers of its schedule."""
    config = getattr(callback, "config", None)
    found = plain(config()) if callable(config) else {}
    scheduler = getattr(callback, "scheduler", None)
    if isinstance(scheduler, LRScheduler):
        found["scheduler"] = describe_object(scheduler)
    return found


def describe_object(value: Any) -> dict[str, Any]:
    """Give the class of what is trained with, and an optimizer's or schedule's numbers.

    >>> from torch.optim import SGD
    >>> about = describe_object(SGD(nn.Linear(1, 1).parameters(), lr=0.1))
    >>> about["class"], about["lr"], about["parameters"]
    ('SGD', 0.1, 2)
    """
    about = {"class": type(value).__name__}
    if isinstance(value, (LRScheduler, Optimizer)):
        if value not in FIRST_SEEN:
            FIRST_SEEN[value] = {**about, **_numbers(value)}
        return FIRST_SEEN[value]
    return about


def _numbers(value: LRScheduler | Optimizer) -> dict[str, Any]:
    if isinstance(value, LRScheduler):
        return _schedule(plain(value.state_dict()))
    groups = [
        {
            **{name: plain(each) for name, each in _options_of(group).items()},
            "parameters": len(group["params"]),
        }
        for group in value.param_groups
    ]
    return groups[0] if len(groups) == 1 else {str(i): g for i, g in enumerate(groups)}


def _schedule(state: dict[str, Any]) -> dict[str, Any]:
    """Leave out the rate at the start, which is what other numbers make it."""
    inner = {k: [_schedule(s) for s in v] for k, v in state.items() if k == INNER}
    return {k: v for k, v in state.items() if k != "_last_lr"} | inner


def _options_of(group: dict[str, Any]) -> dict[str, Any]:
    left_out = ("params", "param_names", "initial_lr")
    found = {name: each for name, each in group.items() if name not in left_out}
    # A schedule has its own rate in the other's place from the beginning.
    return found | ({"lr": group["initial_lr"]} if "initial_lr" in group else {})


@contextlib.contextmanager
def keeping_changes(value: Any, old: Mapping[str, Any]) -> Iterator[None]:
    """Keep the changed choices of ``value`` while it loads the state of a run.

    That state has the old ones, which would go on otherwise. A changed ``lr`` changes
    the one that a schedule has reached by the same factor.

    Args:
        value: An optimizer or schedule; anything else is left alone.
        old: What :func:`describe_object` gave as the run began.
    """
    new = describe_object(value)
    if old.get("class") != new["class"] or old == new:
        yield
    elif isinstance(value, LRScheduler):
        made = copy.deepcopy(value.state_dict())
        yield
        value.load_state_dict(_merged(value.state_dict(), made, old, new))
    elif isinstance(value, Optimizer):
        options = [copy.deepcopy(_options_of(group)) for group in value.param_groups]
        yield
        for index, group in enumerate(value.param_groups):
            was, now = old.get(str(index), old), new.get(str(index), new)
            reached = group.get("lr")
            group |= _merged(_options_of(group), options[index], was, now)
            if "initial_lr" in group:
                group["initial_lr"] = group["lr"]
            if reached is not None and plain(reached) != was["lr"]:
                group["lr"] = reached * (now["lr"] / was["lr"] if was["lr"] else 1.0)
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
        return [_merged(*each) for each in parts]
    return made


def plain(value: Any) -> Any:
    """Give ``value`` as JSON has it, so that it compares equal after reading."""
    if isinstance(value, Tensor):
        is_long = value.numel() > 100
        value = tensor_digest(value)["sha256"] if is_long else value.tolist()
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    if value is None or type(value) in (bool, int, str):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    return re.sub(" at 0x[0-9a-f]+", "", str(value))  # another one in each process
