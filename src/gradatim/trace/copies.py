"""A copy of model, loss, optimizer and batch in which nothing leads to the originals.

One ``copy.deepcopy`` keeps what is shared shared: tied weights, and the parameters that
the optimizer holds. What that leaves out is carried over: attributes and hooks of the
optimizer, hooks of parameters.
"""

import contextlib
import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from gradatim.errors import ConfigError
from gradatim.nested import tensors_of
from gradatim.text import one_line

__all__ = ["copied", "lending_no_gradients"]

Parts = tuple[nn.Module, Any, torch.optim.Optimizer, tuple[Any, ...]]


def copied(
    model: nn.Module,
    loss_fn: Any,
    optimizer: torch.optim.Optimizer,
    batch: tuple[Any, ...],
) -> Parts:
    """Copy all four.

    Raises:
        ConfigError: One of them refuses to be copied.
    """
    memo: dict[int, Any] = {id(tensor): _twin(tensor) for tensor in tensors_of(batch)}
    try:
        parts: Parts = copy.deepcopy((model, loss_fn, optimizer, batch), memo)
        _complete(optimizer, parts[2], memo)
    except Exception as error:
        raise ConfigError(
            f"{type(model).__name__}, its loss, optimizer or batch cannot be copied: "
            f"{type(error).__name__}: {one_line(error)}\n"
            "trace_step updates a copy, so that your own stay as they are.\n"
            "Give apply=True: the update is then a real one, of the model itself."
        ) from error
    for parameter in _parameters(model, loss_fn, optimizer):
        _complete_parameter(parameter, memo)
    return parts


def _twin(tensor: Tensor) -> Tensor:
    """Copy a tensor of the batch, which ``deepcopy`` refuses if it has a graph."""
    twin = tensor.detach().clone().requires_grad_(tensor.requires_grad)
    if tensor.is_leaf:
        return twin
    with torch.enable_grad():
        return twin.clone()  # no leaf, either, but the graph ends here


def _complete(
    optimizer: torch.optim.Optimizer, twin: torch.optim.Optimizer, memo: dict[int, Any]
) -> None:
    """Carry over what an optimizer's ``__getstate__`` leaves out."""
    known = {"state", "param_groups", "defaults"}
    for name, value in vars(optimizer).items():
        # A scheduler puts a function of its own before `step`, which counts the
        # original's steps.
        if name not in known and not (callable(value) and hasattr(type(twin), name)):
            setattr(twin, name, copy.deepcopy(value, memo))


def _complete_parameter(parameter: Tensor, memo: dict[int, Any]) -> None:
    """Carry over a parameter's gradient and hooks, as ``deepcopy`` does not."""
    twin = memo.get(id(parameter))
    if not isinstance(twin, Tensor) or twin is parameter:
        return
    if parameter.grad is not None:  # a parameter that is never cleared adds to it
        twin.grad = parameter.grad.detach().clone()
    for hook in (parameter._backward_hooks or {}).values():
        twin.register_hook(copy.deepcopy(hook, memo))


@contextlib.contextmanager
def lending_no_gradients(
    model: nn.Module,
    loss_fn: Any,
    optimizer: torch.optim.Optimizer,
    batch: tuple[Any, ...],
) -> Iterator[None]:
    """Keep gradients from the originals while a copy of them is trained.

    A function that knows the model by name, not by its argument, reaches the original.

    Raises:
        ConfigError: At the end, if that happened.
    """
    tensors = [*_parameters(model, loss_fn, optimizer), *tensors_of(batch)]
    kept = [(tensor, tensor.grad) for tensor in tensors if tensor.is_leaf]
    reached = []
    try:
        for tensor, _ in kept:
            tensor.grad = None
        yield
        reached = [tensor for tensor, _ in kept if tensor.grad is not None]
    finally:
        for tensor, grad in kept:
            tensor.grad = grad
    if not reached:
        return
    names = [n for n, p in model.named_parameters() if any(p is t for t in reached)]
    more = ", ..." if len(names) > 3 else ""
    raise ConfigError(
        f"gradients reached {', '.join(names[:3]) + more or 'a tensor'} of the "
        f"original {type(model).__name__} (or its loss or batch), not of the copy that "
        "trace_step updates.\n"
        "A function refers to them from outside, so their gradients would be missing "
        "in the trace.\n"
        "Use the model that forward= is given, make the loss an nn.Module that holds "
        "what it uses, or give apply=True."
    )


def _parameters(
    model: nn.Module, loss_fn: Any, optimizer: torch.optim.Optimizer
) -> list[Tensor]:
    found: dict[int, Tensor] = {id(p): p for p in model.parameters()}
    if isinstance(loss_fn, nn.Module):
        found |= {id(p): p for p in loss_fn.parameters()}
    for group in optimizer.param_groups:
        found |= {id(p): p for p in group["params"]}
    return list(found.values())
