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
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)
from torch.optim.lr_scheduler import (
    ChainedScheduler,
    CosineAnnealingWarmRestarts,
    LRScheduler,
    ReduceLROnPlateau,
    SequentialLR,
)
from torch.optim.optimizer import (
    Optimizer,
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)
from torch.overrides import (
    handle_torch_function,
    has_torch_function_unary,
    has_torch_function_variadic,
    is_tensor_method_or_property,
)
from torch.utils.data import DataLoader
from torch.utils.data.dataloader import _BaseDataLoaderIter

from gradatim.losses import WATCHED_LOSSES
from gradatim.watching import row_orders
from gradatim.watching.source_lines import is_called_by_user
from gradatim.watching.watcher import Watcher

__all__ = ["installed"]

WITH_STEP = (
    LRScheduler,
    ReduceLROnPlateau,
    SequentialLR,
    ChainedScheduler,
    CosineAnnealingWarmRestarts,
)
"""The schedules with a ``step`` of their own."""
OF_OUR_HOOKS = r"Using `torch\.compile\(module\)` when there are global hooks"
COMPARED = {
    "__eq__": ("==", "__eq__"),
    "eq": ("==", "eq"),
    "__ne__": ("!=", "ne"),
    "ne": ("!=", "ne"),
    "__sub__": ("-", "sub"),
    "sub": ("-", "sub"),
}
"""Methods that compare: the operation, and what ``__torch_function__`` is given."""


@contextlib.contextmanager
def installed(watcher: Watcher) -> Iterator[None]:
    """Let a watcher see what happens; put everything back at the end."""
    with contextlib.ExitStack() as stack:
        # It tells the user of hooks that are ours.
        warnings.filterwarnings("ignore", message=OF_OUR_HOOKS)
        stack.callback(_without_filter, warnings.filters[0])

        def patch(owner: Any, name: str, made: Callable[[Any], Any]) -> None:
            # By its own dictionary: what is inherited is not made its own.
            has_own = name in vars(owner)
            original = vars(owner)[name] if has_own else getattr(owner, name)
            setattr(owner, name, made(original))
            if has_own:
                stack.callback(setattr, owner, name, original)
            else:
                stack.callback(delattr, owner, name)

        _losses(patch, watcher)
        patch(F, "dropout", functools.partial(_dropout, watcher))
        _tensor_methods(patch, watcher)
        patch(Tensor, "backward", _backward(watcher))
        patch(torch.autograd, "backward", _autograd_backward(watcher))
        patch(Optimizer, "__init__", _after(watcher.updates.optimizer_made))
        patch(Optimizer, "zero_grad", _after(watcher.updates.zeroed))
        patch(nn.Module, "zero_grad", _after(watcher.updates.zeroed))
        patch(nn.Module, "__init__", _after(watcher.forwards.module_made))
        patch(nn.Module, "train", _train(watcher))
        patch(LRScheduler, "__init__", _scheduler_made(watcher))
        patch(ReduceLROnPlateau, "__init__", _scheduler_made(watcher))
        for outer in (SequentialLR, ChainedScheduler):
            patch(outer, "__init__", _outer_scheduler_made(watcher))
        for kind in WITH_STEP:
            patch(kind, "step", _scheduler_step(watcher))
        patch(nn.Module, "state_dict", _state_dict(watcher))
        patch(nn.Module, "load_state_dict", _load_state_dict(watcher))
        patch(
            torch,
            "save",
            _before(lambda state: watcher.states.state_used(state, "saved")),
        )
        patch(DataLoader, "__init__", _after(watcher.loops.loader_made))
        patch(DataLoader, "__iter__", _iterated(watcher))
        patch(_BaseDataLoaderIter, "__next__", _fetched(watcher))
        for owner, name, noted in row_orders.DRAWING:
            patch(owner, name, functools.partial(noted, watcher.orders))
        patch(torch, "manual_seed", _seed(watcher, "torch", _torch_state))
        patch(random, "seed", _seed(watcher, "random", _python_state))
        patch(np.random, "seed", _seed(watcher, "numpy", _numpy_state))
        patch(np.random, "default_rng", _before_call(watcher.loops.generator_made))
        patch(torch, "set_rng_state", _before(lambda _: watcher.loops.state_restored()))
        for handle in (
            register_module_forward_pre_hook(watcher.forwards.enter),
            register_module_forward_hook(watcher.forwards.leave, always_call=True),
            register_module_forward_pre_hook(watcher.calls.enter),
            register_module_forward_hook(watcher.calls.leave),
            register_optimizer_step_pre_hook(watcher.updates.before_step),
            register_optimizer_step_post_hook(watcher.updates.after_step),
        ):
            stack.callback(handle.remove)
        stack.callback(watcher.calls.close)
        watcher.seen.is_open = True
        stack.callback(setattr, watcher.seen, "is_open", False)
        yield


def _without_filter(entry: Any) -> None:
    if entry in warnings.filters:
        cast("list[Any]", warnings.filters).remove(entry)


def _before(note: Callable[[Any], None]) -> Callable[[Any], Any]:
    """Make a function that notes its first argument, then does what it did."""

    def made(original: Any) -> Any:
        @functools.wraps(original)
        def patched(self: Any, *args: Any, **kwargs: Any) -> Any:
            if not torch.compiler.is_compiling():
                note(self)
            return original(self, *args, **kwargs)

        return patched

    return made


def _before_call(note: Callable[..., None]) -> Callable[[Any], Any]:
    """Make a function that notes all its arguments, then does what it did."""

    def made(original: Any) -> Any:
        @functools.wraps(original)
        def patched(*args: Any, **kwargs: Any) -> Any:
            note(*args, **kwargs)
            return original(*args, **kwargs)

        return patched

    return made


def _after(note: Callable[[Any], None]) -> Callable[[Any], Any]:
    def made(original: Any) -> Any:
        @functools.wraps(original)
        def patched(self: Any, *args: Any, **kwargs: Any) -> Any:
            result = original(self, *args, **kwargs)
            if not torch.compiler.is_compiling():
                note(self)
            return result

        return patched

    return made


def _train(watcher: Watcher) -> Callable[[Any], Any]:
    def made(original: Any) -> Any:
        depth = 0

        @functools.wraps(original)
        def train(self: nn.Module, mode: bool = True) -> nn.Module:
            nonlocal depth
            if not depth and not torch.compiler.is_compiling():
                watcher.loops.mode(self, mode)
            depth += 1  # it calls itself for each part
            try:
                result: nn.Module = original(self, mode)
                return result
            finally:
                depth -= 1

        return train

    return made


def _fetched(watcher: Watcher) -> Callable[[Any], Any]:
    def made(original: Any) -> Any:
        @functools.wraps(original)
        def __next__(self: Any) -> Any:
            watcher.loops.batch_fetched(self)
            batch = original(self)
            watcher.calls.batch_fetched(self, batch)
            return batch

        return __next__

    return made


def _iterated(watcher: Watcher) -> Callable[[Any], Any]:
    def made(original: Any) -> Any:
        @functools.wraps(original)
        def __iter__(self: Any) -> Any:
            watcher.loops.loader_started(self)
            iterator = original(self)
            watcher.loops.iterator_made(self, iterator)
            return iterator

        return __iter__

    return made


def _scheduler_made(watcher: Watcher) -> Callable[[Any], Any]:
    def made(original: Any) -> Any:
        @functools.wraps(original)
        def __init__(self: Any, optimizer: Any, *args: Any, **kwargs: Any) -> None:
            original(self, optimizer, *args, **kwargs)
            watcher.loops.scheduler_made(self, optimizer)

        return __init__

    return made


def _outer_scheduler_made(watcher: Watcher) -> Callable[[Any], Any]:
    """Note a schedule that is made of others, and its optimizer, which is theirs."""

    def made(original: Any) -> Any:
        @functools.wraps(original)
        def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
            with watcher.position.inside_scheduler():
                original(self, *args, **kwargs)
            watcher.loops.scheduler_made(self, self._schedulers[0].optimizer)

        return __init__

    return made


def _scheduler_step(watcher: Watcher) -> Callable[[Any], Any]:
    """Note a step of a schedule, but not those that it makes of others."""

    def made(original: Any) -> Any:
        @functools.wraps(original)
        def step(self: Any, *args: Any, **kwargs: Any) -> Any:
            if not watcher.position.is_inside_scheduler:
                watcher.loops.scheduler_stepped(self)
            with watcher.position.inside_scheduler():
                return original(self, *args, **kwargs)

        return step

    return made


def _state_dict(watcher: Watcher) -> Callable[[Any], Any]:
    def made(original: Any) -> Any:
        depth = 0

        @functools.wraps(original)
        def state_dict(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
            nonlocal depth
            depth += 1  # it calls itself for each part
            try:
                state = original(self, *args, **kwargs)
            finally:
                depth -= 1
            if not depth:
                watcher.states.state_taken(self, state)
            return state

        return state_dict

    return made


def _load_state_dict(watcher: Watcher) -> Callable[[Any], Any]:
    def made(original: Any) -> Any:
        @functools.wraps(original)
        def load_state_dict(
            self: nn.Module, state_dict: Any, *args: Any, **kwargs: Any
        ) -> Any:
            watcher.states.state_used(state_dict, "itself", self)
            return original(self, state_dict, *args, **kwargs)

        return load_state_dict

    return made


def _seed(
    watcher: Watcher, name: str, state: Callable[[], Any]
) -> Callable[[Any], Any]:
    """Note a seed of a global generator, where the user's own code sets it."""

    def made(original: Any) -> Any:
        @functools.wraps(original)
        def seed(*args: Any, **kwargs: Any) -> Any:
            watcher.seen.seeds.first.setdefault(name, watcher.position.order())
            if not is_called_by_user():
                return original(*args, **kwargs)
            before = state()
            result = original(*args, **kwargs)
            given = args[0] if args else next(iter(kwargs.values()), None)
            watcher.loops.seeded(name, given, before, state())
            return result

        return seed

    return made


def _torch_state() -> int:
    return hash(bytes(torch.default_generator.get_state().numpy()))


def _python_state() -> int:
    return hash(random.getstate())


def _numpy_state() -> int:
    state: Any = np.random.get_state(legacy=True)
    return hash((bytes(state[1]), state[2]))


def _backward(watcher: Watcher) -> Callable[[Any], Any]:
    def made(original: Any) -> Any:
        @functools.wraps(original)
        def backward(
            self: Tensor,
            gradient: Any = None,
            retain_graph: bool | None = None,
            create_graph: bool = False,
            inputs: Any = None,
        ) -> None:
            if not torch.compiler.is_compiling():
                watcher.losses.backward(self, retain_graph)
            with watcher.position.inside_backward():
                original(self, gradient, retain_graph, create_graph, inputs)

        return backward

    return made


def _autograd_backward(watcher: Watcher) -> Callable[[Any], Any]:
    def made(original: Any) -> Any:
        signature = inspect.signature(original)

        @functools.wraps(original)
        def backward(*args: Any, **kwargs: Any) -> None:
            if (
                not watcher.position.is_inside_backward
                and not torch.compiler.is_compiling()
            ):
                bound = signature.bind(*args, **kwargs).arguments
                watcher.losses.backward(bound.get("tensors"), bound.get("retain_graph"))
            with watcher.position.inside_backward():
                original(*args, **kwargs)

        return backward

    return made


def _losses(
    patch: Callable[[Any, str, Callable[[Any], Any]], None], watcher: Watcher
) -> None:
    for name in WATCHED_LOSSES:
        patch(F, name, functools.partial(_loss, watcher, name))


def _tensor_methods(
    patch: Callable[[Any, str, Callable[[Any], Any]], None], watcher: Watcher
) -> None:
    """Note methods of tensors.

    Functions such as ``torch.eq`` are left alone: ``torch.jit`` and ``torch.compile``
    keep tables of them by identity for as long as the process runs.
    """
    is_tensor_method_or_property(Tensor.view)  # PyTorch keeps what it finds there
    for name in ("view", "reshape"):
        patch(Tensor, name, functools.partial(_shaped, watcher, name))
    for name in COMPARED:
        patch(Tensor, name, functools.partial(_compared, watcher, name))


def _overridden(function: Any, given: tuple[Any, ...], *args: Any, **kw: Any) -> Any:
    """Do what PyTorch does where a mode, or a class of tensors, overrides a method.

    It would look the method up by name, and give the override the patched one.
    """
    plain = torch._C._disabled_torch_function_impl
    own = tuple(
        each
        for each in given
        if type(each) is not Tensor
        and getattr(each, "__torch_function__", plain) is not plain
    )
    try:
        return handle_torch_function(function, own, *args, **kw)
    except AttributeError as error:
        if error.obj is not function:
            raise
        # It has no words of its own for a method that nobody implements.
        raise TypeError(f"no implementation found for {error.obj!r}") from None


def _shaped(watcher: Watcher, name: str, original: Any) -> Any:
    note = watcher.calls.shaped

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
    dispatched = getattr(torch._C.TensorBase, public)
    note = watcher.calls.compared

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
        if (
            args
            and isinstance(other := args[0], Tensor)
            and self.dim() + other.dim() == 3
        ):
            note(operation, self, other, result)
        return result

    return compared


def _dropout(watcher: Watcher, original: Any) -> Any:
    @functools.wraps(original)
    def dropout(
        input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
    ) -> Any:
        if not torch.compiler.is_compiling():
            watcher.forwards.dropout(training and p > 0)
        return original(input, p, training, inplace)

    return dropout


def _loss(watcher: Watcher, name: str, original: Any) -> Any:
    signature = inspect.signature(original)

    @functools.wraps(original)
    def patched(*args: Any, **kwargs: Any) -> Any:
        if torch.compiler.is_compiling():
            return original(*args, **kwargs)
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError:  # the original has the better words
            return original(*args, **kwargs)
        bound.apply_defaults()
        watcher.calls.loss(bound.arguments)
        watcher.losses.loss(name, bound.arguments)
        result = original(*args, **kwargs)
        watcher.losses.loss_made(name, bound.arguments, result)
        return result

    return patched
