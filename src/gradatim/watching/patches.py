"""What is hooked and patched while a watch is on, and put back afterwards."""

import contextlib
import functools
import inspect
import random
import warnings
from collections.abc import Callable, Iterator
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules import module as modules
from torch.optim import Optimizer, lr_scheduler
from torch.optim import optimizer as optimizers
from torch.overrides import (
    handle_torch_function,
    has_torch_function_unary,
    has_torch_function_variadic,
    is_tensor_method_or_property,
)
from torch.utils.data import DataLoader

from gradatim.losses import WATCHED_LOSSES
from gradatim.torch_private import FETCHING_ITERATOR, plain_torch_function, tensor_base
from gradatim.watching import row_orders
from gradatim.watching.schedulers import MADE_OF_OTHERS
from gradatim.watching.source_lines import is_called_by_user
from gradatim.watching.watcher import Watcher

__all__ = ["installed"]

SINGLE = (lr_scheduler.LRScheduler, lr_scheduler.ReduceLROnPlateau)
"""The schedules with an ``__init__`` of their own that are not made of others."""
WITH_STEP = (*SINGLE, *MADE_OF_OTHERS, lr_scheduler.CosineAnnealingWarmRestarts)
"""The schedules with a ``step`` of their own."""
WARNING_OF_OUR_HOOKS = r"Using `torch\.compile\(module\)` when there are global hooks"
COMPARED = {
    "__eq__": ("==", "__eq__"),
    "eq": ("==", "eq"),
    "__ne__": ("!=", "ne"),
    "ne": ("!=", "ne"),
    "__sub__": ("-", "sub"),
    "sub": ("-", "sub"),
}
"""Methods that compare: the operator, and what ``__torch_function__`` is given."""
Made = Callable[[Any], Any]
"""Makes of the original what stands in its place."""
Inside = Callable[[], contextlib.AbstractContextManager[None]]
"""Makes what is open while the original runs."""


@contextlib.contextmanager
def installed(watcher: Watcher) -> Iterator[None]:
    """Let a watcher see what happens; put everything back at the end."""
    is_tensor_method_or_property(Tensor.view)  # fills a table before it is patched
    forwards, updates = watcher.forwards, watcher.updates
    tensor_calls = watcher.tensor_calls
    with contextlib.ExitStack() as stack:
        # The warning tells the user of hooks that are ours.
        warnings.filterwarnings("ignore", message=WARNING_OF_OUR_HOOKS)
        stack.callback(_without_filter, warnings.filters[0])
        for owner, name, made in _patches(watcher):
            # A name that the owner inherits is not made the owner's own for good.
            has_own = name in vars(owner)
            original = vars(owner)[name] if has_own else getattr(owner, name)
            setattr(owner, name, made(original))
            if has_own:
                stack.callback(setattr, owner, name, original)
            else:
                stack.callback(delattr, owner, name)
        for handle in (
            modules.register_module_forward_pre_hook(forwards.enter),
            modules.register_module_forward_hook(forwards.leave, always_call=True),
            modules.register_module_forward_pre_hook(tensor_calls.enter),
            modules.register_module_forward_hook(tensor_calls.leave),
            optimizers.register_optimizer_step_pre_hook(updates.before_step),
            optimizers.register_optimizer_step_post_hook(updates.after_step),
        ):
            stack.callback(handle.remove)
        stack.callback(tensor_calls.close)
        watcher.seen.is_open = True
        stack.callback(setattr, watcher.seen, "is_open", False)
        yield


def _without_filter(entry: Any) -> None:
    if entry in warnings.filters:
        cast("list[Any]", warnings.filters).remove(entry)


def _patches(watcher: Watcher) -> Iterator[tuple[Any, str, Made]]:
    """Give each name that is replaced: its owner, the name, and what is made of it.

    Functions such as ``torch.eq`` are left alone: ``torch.jit`` and ``torch.compile``
    keep tables of them by identity for as long as the process runs.
    """
    for name in WATCHED_LOSSES:
        yield F, name, functools.partial(_loss, watcher, name)
    for name in ("view", "reshape"):
        yield Tensor, name, functools.partial(_shaped, watcher, name)
    for name in COMPARED:
        yield Tensor, name, functools.partial(_compared, watcher, name)
    losses, position = watcher.losses, watcher.position
    inside = functools.partial(position.inside, "is_inside_backward")
    yield Tensor, "backward", wrapped(losses.backward, inside=inside)
    yield torch.autograd, "backward", wrapped(losses.autograd_backward, inside=inside)

    modes, states = watcher.modes, watcher.state_dicts
    yield F, "dropout", wrapped(before=modes.dropout)
    mode_set, state_taken = wrapped(before=modes.mode_set), wrapped(after=states.taken)
    yield nn.Module, "train", functools.partial(_outermost, mode_set)
    yield nn.Module, "__init__", _after(watcher.models.structures.module_made)
    yield nn.Module, "state_dict", functools.partial(_outermost, state_taken)
    yield nn.Module, "load_state_dict", wrapped(before=states.loaded)
    yield torch, "save", wrapped(before=states.saved)

    for owner in (Optimizer, nn.Module):
        yield owner, "zero_grad", _after(watcher.updates.zeroed)
    yield Optimizer, "__init__", _after(watcher.updates.optimizer_made)
    schedulers = watcher.schedulers
    inside = functools.partial(position.inside, "is_inside_scheduler")
    for single in SINGLE:
        yield single, "__init__", _after(schedulers.scheduler_made)
    for outer in MADE_OF_OTHERS:
        yield outer, "__init__", _after(schedulers.scheduler_made, inside)
    for kind in WITH_STEP:
        yield kind, "step", wrapped(schedulers.scheduler_stepped, inside=inside)

    loaders, seeds = watcher.loaders, watcher.seeds
    started, fetched = loaders.loader_started, loaders.batch_fetched
    yield DataLoader, "__init__", _after(loaders.loader_made)
    yield DataLoader, "__iter__", wrapped(started, loaders.iterator_made)
    batch_fetched = watcher.tensor_calls.batch_fetched
    yield FETCHING_ITERATOR, "__next__", wrapped(fetched, batch_fetched)
    for owner, name, noted in row_orders.DRAWING:
        yield owner, name, functools.partial(noted, watcher.row_orders)
    yield torch, "manual_seed", functools.partial(_seed, watcher, "torch")
    yield random, "seed", functools.partial(_seed, watcher, "random")
    yield np.random, "seed", functools.partial(_seed, watcher, "numpy")
    yield np.random, "default_rng", wrapped(before=seeds.generator_made)
    yield torch, "set_rng_state", wrapped(before=seeds.state_restored)


def wrapped(
    before: Callable[..., None] | None = None,
    after: Callable[[Any, Any], None] | None = None,
    inside: Inside | None = None,
) -> Made:
    """Let calls of a function be noted; what the function does stays the same.

    Args:
        before: Called first, with all arguments.
        after: Called last, with the first argument and the result.
        inside: Makes what is open while the function runs.
    """

    def made(original: Any) -> Any:
        @functools.wraps(original)
        def patched(*args: Any, **kwargs: Any) -> Any:
            if torch.compiler.is_compiling():
                return original(*args, **kwargs)
            if before is not None:
                before(*args, **kwargs)
            if inside is None:
                result = original(*args, **kwargs)
            else:
                with inside():
                    result = original(*args, **kwargs)
            if after is not None:
                after(args[0], result)
            return result

        return patched

    return made


def _after(note: Callable[[Any], None], inside: Inside | None = None) -> Made:
    """Let the object of a method be noted, after the method has run."""
    return wrapped(after=lambda owner, result: note(owner), inside=inside)


def _outermost(made: Made, original: Any) -> Any:
    """Let calls of a method be noted that calls itself for each part of a module."""
    noted = made(original)
    depth = 0

    @functools.wraps(original)
    def patched(*args: Any, **kwargs: Any) -> Any:
        nonlocal depth
        function = original if depth else noted
        depth += 1
        try:
            return function(*args, **kwargs)
        finally:
            depth -= 1

    return patched


def _seed(watcher: Watcher, name: str, original: Any) -> Any:
    """Note a seed of a global generator, where the user's own code sets it."""
    state = STATES[name]

    @functools.wraps(original)
    def seed(*args: Any, **kwargs: Any) -> Any:
        watcher.seeds.seeding(name)
        if not is_called_by_user():
            return original(*args, **kwargs)
        before = state()
        result = original(*args, **kwargs)
        given = args[0] if args else next(iter(kwargs.values()), None)
        watcher.seeds.seeded(name, given, before, state())
        return result

    return seed


def _numpy_state() -> int:
    state: Any = np.random.get_state(legacy=True)
    return hash((bytes(state[1]), state[2]))


STATES: dict[str, Callable[[], int]] = {
    "torch": lambda: hash(bytes(torch.default_generator.get_state().numpy())),
    "random": lambda: hash(random.getstate()),
    "numpy": _numpy_state,
}
"""Digests of the states of the global generators."""


def _overridden(function: Any, given: tuple[Any, ...], *args: Any, **kw: Any) -> Any:
    """Do what PyTorch does where a mode, or a class of tensors, overrides a method.

    PyTorch would look the method up by name, and give the override the patched one.
    """
    plain = plain_torch_function
    own = tuple(
        argument
        for argument in given
        if type(argument) is not Tensor
        and getattr(argument, "__torch_function__", plain) is not plain
    )
    try:
        return handle_torch_function(function, own, *args, **kw)
    except AttributeError as error:
        if error.obj is not function:
            raise
        # PyTorch has no message of its own for a method that nobody implements.
        raise TypeError(f"no implementation found for {error.obj!r}") from None


def _shaped(watcher: Watcher, name: str, original: Any) -> Any:
    note = watcher.tensor_calls.shaped

    @functools.wraps(original)
    def shaped(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        if torch.compiler.is_dynamo_compiling():  # which knows methods by their names
            return getattr(self, name)(*args, **kwargs)
        if has_torch_function_unary(self):
            return _overridden(original, (self,), self, *args, **kwargs)
        result = original(self, *args, **kwargs)
        if result.dim() > 1:
            note(self, result, args)
        return result

    return shaped


def _compared(watcher: Watcher, name: str, original: Any) -> Any:
    operation, public = COMPARED[name]
    is_operator = name.startswith("__")
    dispatched = getattr(tensor_base, public)
    note = watcher.tensor_calls.compared

    @functools.wraps(original)
    def compared(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        if torch.compiler.is_dynamo_compiling():
            return getattr(self, name)(*args, **kwargs)
        if has_torch_function_variadic(self, *args):
            try:
                return _overridden(dispatched, (self, *args), self, *args, **kwargs)
            except TypeError:
                if is_operator:
                    return NotImplemented
                raise
        result = original(self, *args, **kwargs)
        other = args[0] if args else None
        if isinstance(other, Tensor) and self.dim() + other.dim() == 3:
            note(operation, self, other, result)
        return result

    return compared


def _loss(watcher: Watcher, name: str, original: Any) -> Any:
    signature = inspect.signature(original)

    @functools.wraps(original)
    def patched(*args: Any, **kwargs: Any) -> Any:
        if torch.compiler.is_compiling():
            return original(*args, **kwargs)
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError:  # the original's message is clearer
            return original(*args, **kwargs)
        bound.apply_defaults()
        watcher.tensor_calls.loss(bound.arguments)
        watcher.losses.loss(name, bound.arguments)
        result = original(*args, **kwargs)
        watcher.replays.on_loss(name, bound.arguments, result)
        return result

    return patched
