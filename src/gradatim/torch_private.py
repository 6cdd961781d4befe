"""Every private name of PyTorch that gradatim uses, and what happens without it.

PyTorch may rename these at any release. Each stands here once, in a function or a
constant that the other files use, with what it is for. ``tests/test_torch_private.py``
names those that the PyTorch at hand does not have, and finds private names that another
file uses. Where nothing else is said, gradatim raises an ``AttributeError`` without the
name: a constant when gradatim is imported, a function when it is called.
"""

import gc
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node
from torch.nn.modules import module as modules
from torch.utils.data import dataloader
from torch.utils.data._utils import worker

__all__ = [
    "ALWAYS_CALLED",
    "FETCHING_ITERATOR",
    "FORWARD_HOOKS",
    "INNER_SCHEDULES",
    "LAST_RATE",
    "MILESTONES",
    "ONE_SAMPLE_FOREVER",
    "REGISTERED",
    "UPDATE_HOOKS",
    "BatchNorm",
    "Convolution",
    "Dropout",
    "Norm",
    "accumulation_hooks",
    "backward_hooks",
    "forget_dead_workers",
    "forward_hooks",
    "gradient_hooks",
    "has_backward_hooks",
    "has_global_backward_hooks",
    "hide_worker",
    "index_sampler",
    "inner_of_compiled",
    "inner_schedules",
    "is_compiled_in_place",
    "is_functorch_wrapped",
    "keep_from_compiler",
    "never_compiled",
    "next_sequence_number",
    "norms_of",
    "own_buffers",
    "own_modules",
    "own_parameters",
    "plain_torch_function",
    "raw_saved",
    "saved",
    "saved_buffers",
    "saved_names",
    "saved_tensor",
    "sequence_number",
    "sparse_parts",
    "tensor_base",
    "tracing_state",
    "variable_of",
    "version_of",
    "versions_of",
    "what_node_gives",
]

UPDATE_HOOKS = ("_global_optimizer_pre_hooks", "_global_optimizer_post_hooks")
"""Tables in ``torch.optim.optimizer``: the hooks that all optimizers call before and
after an update."""
FORWARD_HOOKS = "_global_forward_hooks"
"""The table in ``torch.nn.modules.module`` of the hooks that all modules call after
their forward; where it has raised, those alone that ``ALWAYS_CALLED`` names."""
ALWAYS_CALLED = "_global_forward_hooks_always_called"

REGISTERED = ("_parameters", "_buffers", "_modules")
"""The attributes of a module that hold what it registers. If one is renamed, what it
holds is taken for something that the module does not register."""
INNER_SCHEDULES = "_schedulers"
"""The attribute, and the key of a state, in which a schedule keeps those it is made of.
If it is renamed, an inner schedule is taken for one of its own."""
MILESTONES = "_milestones"
"""The attribute of ``SequentialLR`` with the steps at which a schedule ends. If it is
renamed, the length of all schedules together is not known."""
LAST_RATE = "_last_lr"
"""The key of a schedule's state with the rates of its last step. If it is renamed, a
run that is resumed with another rate is refused for two reasons instead of one."""
ONE_SAMPLE_FOREVER = "_InfiniteConstantSampler"
"""The name of the sampler of a loader over an ``IterableDataset``. If it is renamed,
such a loader is taken for one that shuffles."""

Convolution: Any = nn.modules.conv._ConvNd
"""The base of all convolutions: their first weights are drawn in the same way."""
Dropout: Any = nn.modules.dropout._DropoutNd
"""The base of all dropouts: they do something else in eval mode."""
Norm: Any = nn.modules.batchnorm._NormBase
"""The base of batch and instance norms: they may keep running statistics."""
BatchNorm: Any = nn.modules.batchnorm._BatchNorm
"""The base of batch norms: their running statistics move in train mode."""
FETCHING_ITERATOR: Any = dataloader._BaseDataLoaderIter
"""The base of a loader's iterators: its ``__next__`` gives the batches."""

tracing_state: Callable[[], Any] = torch._C._get_tracing_state
"""Gives the state of ``torch.jit.trace``; None where nothing is traced."""
plain_torch_function: Any = torch._C._disabled_torch_function_impl
"""The ``__torch_function__`` of a class that overrides no function."""
tensor_base: Any = torch._C.TensorBase
"""The class whose methods ``torch.Tensor`` inherits, as overrides are given them."""
is_functorch_wrapped: Callable[[Tensor], bool] = (
    torch._C._functorch.is_functorch_wrapped_tensor
)
"""Tells a tensor inside of ``torch.func``, whose numbers cannot be looked at."""


def norms_of(tensors: list[Tensor]) -> tuple[Tensor, ...]:
    """Give the 2-norm of each tensor, all computed in one call."""
    return torch._foreach_norm(tensors)


def variable_of(node: Node) -> Tensor | None:
    """Give the tensor whose ``.grad`` a node adds to; None of an operation.

    Without the name, every leaf of a graph would be taken for an operation.
    """
    return getattr(node, "variable", None)


def sequence_number(node: Node) -> int:
    """Give the number of a node: later ones have larger numbers."""
    return node._sequence_nr()


def next_sequence_number() -> int:
    """Give the number that autograd will give to the next node of this thread."""
    return torch._C._autograd._get_sequence_nr()


def what_node_gives(node: Node) -> Any:
    """Give the shape, type and device of each output of a node, one after the other.

    Autograd calls them the inputs of the backward. Without the name, there are none.
    """
    return getattr(node, "_input_metadata", ())


def saved_names(kind: type) -> tuple[list[str], list[str]]:
    """Name what operations of one class keep for backward: tensors, then options.

    Autograd shows a tensor ``self`` as ``_raw_saved_self`` and ``_saved_self``, and
    an option ``dim`` as ``_saved_dim`` alone.
    """
    names = dir(kind)
    raw, plain = "_raw_saved_", "_saved_"
    tensors = [n.removeprefix(raw) for n in names if n.startswith(raw)]
    others = [n.removeprefix(plain) for n in names if n.startswith(plain)]
    return tensors, [n for n in others if n not in tensors and "_sym_" not in n]


def saved(node: Node, name: str, *default: Any) -> Any:
    """Give a tensor or an option that an operation keeps for backward.

    A ``RuntimeError`` says that the tensor is freed, or was changed in place.
    """
    return getattr(node, f"_saved_{name}", *default)


def saved_tensor(node: Node, name: str) -> Tensor | None:
    """Give a tensor that an operation keeps; None where it is gone or is no tensor."""
    try:
        tensor = saved(node, name, None)
    except RuntimeError:
        return None
    return tensor if isinstance(tensor, Tensor) else None


def raw_saved(node: Node, name: str) -> Any:
    """Give a tensor that an operation keeps, before hooks have unpacked it."""
    return getattr(node, f"_raw_saved_{name}")


def version_of(tensor: Tensor) -> int:
    """Count how often a tensor was changed in place."""
    return tensor._version


def versions_of(tensors: Iterable[Tensor]) -> list[int]:
    """Count how often each tensor was changed in place; 0 of one that does not count.

    It is :func:`version_of` for many of them, without a call for each.
    """
    return [0 if t.is_inference() else t._version for t in tensors]


def sparse_parts(tensor: Tensor) -> tuple[Tensor, Tensor]:
    """Give the indices and values of a sparse tensor as they are, repeated or not."""
    return tensor._indices(), tensor._values()


def gradient_hooks(tensor: Tensor) -> Mapping[int, Callable[..., Any]]:
    """Give the hooks that see a tensor's gradient."""
    hooks: Mapping[int, Callable[..., Any]] = tensor._backward_hooks or {}
    return hooks


def accumulation_hooks(tensor: Tensor) -> Mapping[int, Callable[..., Any]]:
    """Give the hooks that run when a gradient was added to ``.grad``."""
    return tensor._post_accumulate_grad_hooks or {}


def own_parameters(module: nn.Module) -> Any:
    """Give the parameters of a module itself, not of those inside, by name.

    A module of ``torch.jit`` gives an object of its own in place of a dict.
    """
    return module._parameters


def own_buffers(module: nn.Module) -> Any:
    """Give the buffers of a module itself, not of those inside, by name."""
    return module._buffers


def saved_buffers(module: nn.Module) -> list[Tensor]:
    """Give the buffers of a module itself that are in its ``state_dict()``."""
    left_out = module._non_persistent_buffers_set
    buffers = own_buffers(module)
    if not buffers:
        return []
    return [b for n, b in buffers.items() if b is not None and n not in left_out]


def own_modules(module: nn.Module) -> Any:
    """Give the modules that stand in a module, one twice if it stands at two places."""
    return module._modules


def forward_hooks(module: nn.Module) -> list[Any]:
    """Give the hooks of a module that run before and after its forward."""
    return [*module._forward_pre_hooks.values(), *module._forward_hooks.values()]


def backward_hooks(module: nn.Module) -> list[Any]:
    """Give the hooks of a module that see its gradients in backward."""
    return list(module._backward_hooks.values())


def has_backward_hooks(module: nn.Module) -> bool:
    """Tell whether a module has hooks that see or change gradients in backward."""
    return bool(module._backward_hooks or module._backward_pre_hooks)


def has_global_backward_hooks() -> bool:
    """Tell whether hooks for all modules see or change gradients in backward."""
    return bool(modules._global_backward_hooks or modules._global_backward_pre_hooks)


def inner_of_compiled(module: nn.Module) -> Any:
    """Give the module behind ``torch.compile(module)``; None of any other module.

    Without the name, parameters of compiled models get a prefix that others lack.
    """
    return getattr(module, "_orig_mod", None)


def is_compiled_in_place(module: nn.Module) -> bool:
    """Tell whether ``module.compile()`` was called."""
    return module._compiled_call_impl is not None


def keep_from_compiler(function: Any) -> Any:
    """Keep ``torch.compile`` from compiling a function on its own, and give it back."""
    from torch._C._dynamo import eval_frame

    skip = eval_frame._FrameAction.SKIP
    strategy = eval_frame._FrameExecStrategy(skip, skip)
    eval_frame.set_code_exec_strategy(function.__code__, strategy)
    return function


def never_compiled(function: Any) -> Any:
    """Let ``torch.compile`` call a function as it is, with all that it calls."""
    return torch._disable_dynamo(function)  # type: ignore[attr-defined]


def inner_schedules(schedule: Any) -> Any:
    """Give the schedules that a schedule is made of."""
    return getattr(schedule, INNER_SCHEDULES, ())


def index_sampler(iterator: Any) -> Any:
    """Give what draws the rows of a loader's batches; None if that is not known."""
    return getattr(iterator, "_index_sampler", None)


def hide_worker() -> tuple[int, int]:
    """Let a loader's worker look like a process of its own to what it reads.

    ``torch.utils.data.get_worker_info()`` gives None from then on.

    Returns:
        The worker's number, and how many there are.
    """
    info = worker._worker_info
    assert info is not None  # it is called in workers alone
    worker._worker_info = None
    return info.id, info.num_workers


def forget_dead_workers(error: BaseException | None = None) -> None:
    """End every loader's iteration that has lost a worker, or that ``error`` has left.

    All objects are looked at: a loader of the user's own loop may have one too.
    """
    kind, left = dataloader._MultiProcessingDataLoaderIter, set()
    traceback = None if error is None else error.__traceback__
    while traceback is not None:
        left.add(id(traceback.tb_frame.f_locals.get("self")))
        traceback = traceback.tb_next
    iterators = _instances_of(kind)
    ended = [i for i in iterators if id(i) in left or _has_lost_a_worker(i)]
    for loader in _instances_of(dataloader.DataLoader) if ended else ():
        # One with persistent workers would go on with those that are gone.
        if any(loader._iterator is iterator for iterator in ended):
            loader._iterator = None
    for iterator in ended:
        _end_at_once(iterator)


def _end_at_once(iterator: Any) -> None:
    """End an iteration without its own end, which waits for locks.

    A worker that was killed may have held one, and will never let go of it.
    """
    iterator._shutdown = True  # so that PyTorch ends it no more
    if hasattr(iterator, "_pin_memory_thread"):
        iterator._pin_memory_thread_done_event.set()
    if getattr(iterator, "_worker_pids_set", False):
        torch._C._remove_worker_pids(id(iterator))
        iterator._worker_pids_set = False
    for each in getattr(iterator, "_workers", ()):
        if each.is_alive():
            each.kill()
        each.join()
    for queue in getattr(iterator, "_index_queues", ()):
        queue.cancel_join_thread()
        queue.close()


def _instances_of(kind: type) -> list[Any]:
    """Find the objects of a class among what refers to the class.

    To go through all objects in Python would take seconds in a large program.
    """
    kinds = [kind, *kind.__subclasses__()]
    return [each for each in gc.get_referrers(*kinds) if type(each) in kinds]


def _has_lost_a_worker(iterator: Any) -> bool:
    workers = getattr(iterator, "_workers", ())  # none where it could not be made
    try:
        return not all(worker.is_alive() for worker in workers)
    except AssertionError:  # they are another process's, from which this one was forked
        return False
