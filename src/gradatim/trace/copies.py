"""A copy of model, loss, optimizer and batch in which nothing leads to the originals.

All four are copied by one ``copy.deepcopy``, so that shared tensors stay shared: tied
weights, and the parameters that the optimizer holds. What ``deepcopy`` leaves out is
added: attributes and hooks of the optimizer, gradients and hooks of parameters.
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
from gradatim.torch_private import gradient_hooks

__all__ = ["copied", "lending_no_gradients"]

Parts = tuple[nn.Module, Any, torch.optim.Optimizer, tuple[Any, ...]]


def copied(
    model: nn.Module,
    loss_fn: Any,
    optimizer: torch.optim.Optimizer,
    batch: tuple[Any, ...],
) -> Parts:
    """Copy model, loss, optimizer and batch.

    Raises:
        ConfigError: One of them cannot be copied.
    """
    # deepcopy takes what is in ``memo`` for the copy of the object with that id.
    memo: dict[int, Any] = {id(t): _copied_tensor(t) for t in tensors_of(batch)}
    try:
        parts: Parts = copy.deepcopy((model, loss_fn, optimizer, batch), memo)
        _complete_optimizer(optimizer, parts[2], memo)
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


def _copied_tensor(tensor: Tensor) -> Tensor:
    """Copy a tensor of the batch; ``deepcopy`` refuses one that has a graph."""
    copied_tensor = tensor.detach().clone().requires_grad_(tensor.requires_grad)
    if tensor.is_leaf:
        return copied_tensor
    with torch.enable_grad():
        # Like the original, the copy is no leaf; but its graph ends right here.
        return copied_tensor.clone()


def _complete_optimizer(
    original: torch.optim.Optimizer, copied: torch.optim.Optimizer, memo: dict[int, Any]
) -> None:
    """Copy what ``Optimizer.__getstate__`` leaves out."""
    known = {"state", "param_groups", "defaults"}
    for name, value in vars(original).items():
        # A scheduler puts a function of its own in the place of the optimizer's `step`.
        # It counts the steps of the original, so it is not copied.
        is_method = callable(value) and hasattr(type(copied), name)
        if name not in known and not is_method:
            setattr(copied, name, copy.deepcopy(value, memo))


def _complete_parameter(original: Tensor, memo: dict[int, Any]) -> None:
    """Copy the gradient and the hooks of a parameter, which ``deepcopy`` leaves out."""
    copied = memo.get(id(original))
    if not isinstance(copied, Tensor) or copied is original:
        return
    # The gradient counts for a parameter that the step does not clear: backward adds
    # to it.
    if original.grad is not None:
        copied.grad = original.grad.detach().clone()
    for hook in gradient_hooks(original).values():
        copied.register_hook(copy.deepcopy(hook, memo))


@contextlib.contextmanager
def lending_no_gradients(
    model: nn.Module,
    loss_fn: Any,
    optimizer: torch.optim.Optimizer,
    batch: tuple[Any, ...],
) -> Iterator[None]:
    """Take the gradients off the originals while a copy is trained, then put them back.

    A function that uses the model by its name, and not as an argument, reaches the
    original. Then a gradient appears there.

    Raises:
        ConfigError: When the block ends, if a gradient appeared at an original.
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
    """Give the parameters of all three, each once."""
    by_id: dict[int, Tensor] = {id(p): p for p in model.parameters()}
    if isinstance(loss_fn, nn.Module):
        by_id |= {id(p): p for p in loss_fn.parameters()}
    for group in optimizer.param_groups:
        by_id |= {id(p): p for p in group["params"]}
    return list(by_id.values())
