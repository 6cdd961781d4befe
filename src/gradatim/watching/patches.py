"""What is hooked and patched while a watch is on, and put back afterwards."""

import contextlib
import functools
import inspect
import random
import threading
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
from gradatim.torch_private import (
    ALWAYS_CALLED,
    FETCHING_ITERATOR,
    FORWARD_HOOKS,
    UPDATE_HOOKS,
    never_compiled,
    plain_torch_function,
    tensor_base,
)
from gradatim.watching import row_orders
from gradatim.watching.hook_tables import OURS, HookTable
from gradatim.watching.open_watches import EVERYONE, OpenWatches, watches_here
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
Inside = Callable[[], contextlib.AbstractContextManager[Any]]
"""Makes what is open while the original runs."""


@contextlib.contextmanager
def installed(watcher: Watcher) -> Iterator[None]:
    """Let a watcher see what this thread does; put everything back at the end.

    Watches may be open at the same time, and be closed in any order.
    """
    watch = OPEN.open(watcher)
    try:
        yield
    finally:
        OPEN.close(watch)
        watcher.tensor_calls.close()


def _install() -> Callable[[], None]:
    """Patch PyTorch, NumPy and ``random``; give the function that puts all back."""
    is_tensor_method_or_property(Tensor.view)  # fills a table before it is patched
    with contextlib.ExitStack() as stack:
        # The warning tells the user of hooks that are ours.
        warnings.filterwarnings("ignore", message=WARNING_OF_OUR_HOOKS)
        stack.callback(_without_filter, warnings.filters[0])
        for owner, name, made in _patches():
            # A name that the owner inherits is not made the owner's own for good.
            has_own = name in vars(owner)
            original = vars(owner)[name] if has_own else getattr(owner, name)
            setattr(owner, name, _stand_in(owner, name, original, made))
            if has_own:
                stack.callback(setattr, owner, name, original)
            else:
                stack.callback(delattr, owner, name)
        # PyTorch copies this table before it calls a hook.
        handle = modules.register_module_forward_pre_hook(_forward_entered)
        stack.callback(handle.remove)
        always_called = getattr(modules, ALWAYS_CALLED)  # nobody walks through it
        always_called[OURS] = True
        stack.callback(always_called.pop, OURS)
        for owner, name, hooks in OWN_TABLES:
            setattr(owner, name, hooks)
            stack.callback(setattr, owner, name, hooks.of_users)
        return stack.pop_all().close


_stand_ins: dict[tuple[Any, str], tuple[Any, Any]] = {}
"""For each patched name the original, and what stands in its place during a watch."""


def _stand_in(owner: Any, name: str, original: Any, made: Made) -> Any:
    """Give what stands in the place of an original: the same one in every watch.

    ``torch.compile`` keeps tables of NumPy's functions by their identity, for as long
    as the process runs. A function that it has met during a watch must not be freed:
    another one might get its identity, and be taken for one of NumPy's.
    """
    known = _stand_ins.get((owner, name))
    if known is None or known[0] is not original:
        known = _stand_ins[owner, name] = (original, made(original))
    return known[1]


def _forward_entered(module: nn.Module, args: Any) -> None:
    if torch.compiler.is_compiling():
        return
    for watcher in watches_here():
        watcher.forwards.enter(module, args)
        watcher.tensor_calls.enter(module, args)


def _forward_left(module: nn.Module, args: Any, output: Any) -> None:
    if torch.compiler.is_compiling():
        return
    for watcher in watches_here():
        watcher.forwards.leave(module, args, output)
        watcher.tensor_calls.leave(module, args, output)


def _before_update(optimizer: Any, args: Any, kwargs: Any) -> None:
    if torch.compiler.is_compiling():  # the step is, and calls this as it is
        _before_compiled_update(optimizer, args, kwargs)
        return
    for watcher in watches_here():
        watcher.updates.before_step(optimizer, args, kwargs)


def _after_update(optimizer: Any, args: Any, kwargs: Any) -> None:
    if torch.compiler.is_compiling():
        _after_compiled_update(optimizer, args, kwargs)
        return
    for watcher in watches_here():
        watcher.updates.after_step(optimizer, args, kwargs)


_before_compiled_update = never_compiled(_before_update)
_after_compiled_update = never_compiled(_after_update)
OWN_TABLES = [
    (owner, name, HookTable(getattr(owner, name), ours))
    for owner, name, ours in (
        (optimizers, UPDATE_HOOKS[0], _before_update),
        (optimizers, UPDATE_HOOKS[1], _after_update),
        (modules, FORWARD_HOOKS, _forward_left),
    )
]
"""Our tables of hooks, with the names of PyTorch's whose place they take. They stay as
long as the process runs, so that a handle that a user was given during a watch still
removes the user's hook afterwards."""


def _without_filter(entry: Any) -> None:
    if entry in warnings.filters:
        cast("list[Any]", warnings.filters).remove(entry)


def _patches() -> Iterator[tuple[Any, str, Made]]:
    """Give each name that is replaced: its owner, the name, and what is made of it.

    Functions such as ``torch.eq`` are left alone: ``torch.jit`` and ``torch.compile``
    keep tables of them by identity for as long as the process runs.
    """
    for name in WATCHED_LOSSES:
        yield F, name, functools.partial(_loss, name)
    for name in ("view", "reshape"):
        yield Tensor, name, functools.partial(_shaped, name)
    for name in COMPARED:
        yield Tensor, name, functools.partial(_compared, name)
    losses = EVERYONE.losses
    inside = functools.partial(_inside, "is_inside_backward")
    yield Tensor, "backward", wrapped(losses.backward, inside=inside)
    yield torch.autograd, "backward", wrapped(losses.autograd_backward, inside=inside)

    modes, states = EVERYONE.modes, EVERYONE.state_dicts
    yield F, "dropout", wrapped(before=modes.dropout)
    mode_set, state_taken = wrapped(before=modes.mode_set), wrapped(after=states.taken)
    yield nn.Module, "train", functools.partial(_outermost, mode_set)
    yield nn.Module, "__init__", _after(EVERYONE.models.structures.module_made)
    yield nn.Module, "state_dict", functools.partial(_outermost, state_taken)
    yield nn.Module, "load_state_dict", wrapped(before=states.loaded)
    yield torch, "save", wrapped(before=states.saved)

    for owner in (Optimizer, nn.Module):
        yield owner, "zero_grad", _after(EVERYONE.updates.zeroed)
    yield Optimizer, "__init__", _after(EVERYONE.updates.optimizer_made)
    schedulers = EVERYONE.schedulers
    inside = functools.partial(_inside, "is_inside_scheduler")
    for single in SINGLE:
        yield single, "__init__", _after(schedulers.scheduler_made)
    for outer in MADE_OF_OTHERS:
        yield outer, "__init__", _after(schedulers.scheduler_made, inside)
    for kind in WITH_STEP:
        yield kind, "step", wrapped(schedulers.scheduler_stepped, inside=inside)

    loaders, seeds = EVERYONE.loaders, EVERYONE.seeds
    started, fetched = loaders.loader_started, loaders.batch_fetched
    yield DataLoader, "__init__", _after(loaders.loader_made)
    yield DataLoader, "__iter__", wrapped(started, loaders.iterator_made)
    batch_fetched = EVERYONE.tensor_calls.batch_fetched
    yield FETCHING_ITERATOR, "__next__", wrapped(fetched, batch_fetched)
    for owner, name, noted in row_orders.DRAWING:
        yield owner, name, functools.partial(noted, _row_orders_here)
    yield torch, "manual_seed", functools.partial(_seed, "torch")
    yield random, "seed", functools.partial(_seed, "random")
    yield np.random, "seed", functools.partial(_seed, "numpy")
    yield np.random, "default_rng", wrapped(before=seeds.generator_made)
    yield torch, "set_rng_state", wrapped(before=seeds.state_restored)


def _inside(flag: str) -> contextlib.AbstractContextManager[Any]:
    """Set a flag of the watches that see this call, for the time of the call."""
    watchers = watches_here()
    if len(watchers) == 1:
        return watchers[0].position.inside(flag)
    stack = contextlib.ExitStack()
    for watcher in watchers:
        stack.enter_context(watcher.position.inside(flag))
    return stack


def _row_orders_here() -> list[row_orders.RowOrders]:
    return [watcher.row_orders for watcher in watches_here()]


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
    inside = threading.local()

    @functools.wraps(original)
    def patched(*args: Any, **kwargs: Any) -> Any:
        if getattr(inside, "a_call", False):
            return original(*args, **kwargs)
        inside.a_call = True
        try:
            return noted(*args, **kwargs)
        finally:
            inside.a_call = False

    return patched


def _seed(name: str, original: Any) -> Any:
    """Note a seed of a global generator, where the user's own code sets it."""
    state = STATES[name]

    @functools.wraps(original)
    def seed(*args: Any, **kwargs: Any) -> Any:
        EVERYONE.seeds.seeding(name)
        if not is_called_by_user():
            return original(*args, **kwargs)
        before = state()
        result = original(*args, **kwargs)
        given = args[0] if args else next(iter(kwargs.values()), None)
        EVERYONE.seeds.seeded(name, given, before, state())
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


def _shaped(name: str, original: Any) -> Any:
    note = EVERYONE.tensor_calls.shaped

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


def _compared(name: str, original: Any) -> Any:
    operation, public = COMPARED[name]
    is_operator = name.startswith("__")
    dispatched = getattr(tensor_base, public)
    note = EVERYONE.tensor_calls.compared

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


def _loss(name: str, original: Any) -> Any:
    signature = inspect.signature(original)

    @functools.wraps(original)
    def patched(*args: Any, **kwargs: Any) -> Any:
        if torch.compiler.is_compiling():
            return original(*args, **kwargs)
        watchers = watches_here()
        if not watchers:
            return original(*args, **kwargs)
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError:  # the original's message is clearer
            return original(*args, **kwargs)
        bound.apply_defaults()
        for watcher in watchers:
            watcher.tensor_calls.loss(bound.arguments)
            watcher.losses.loss(name, bound.arguments)
        result = original(*args, **kwargs)
        for watcher in watchers:
            watcher.replays.on_loss(name, bound.arguments, result)
        return result

    return patched


OPEN = OpenWatches(_install)
"""The watches that are open in this process."""
