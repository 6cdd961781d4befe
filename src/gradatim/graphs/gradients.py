"""Backward, one node at a time: autograd's own order, and the gradient at each node."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import Node as Function

from gradatim.graphs.tensors import shape_of, stored_values
from gradatim.text import one_line

__all__ = ["Backward", "BackwardStep", "step_backward"]

MOST_VALUES = 16
"""A gradient with more numbers is told by its norm alone."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BackwardStep:
    """Where backward is at one moment."""

    nodes: tuple[int, ...]
    """One operation; or all boxes of one parameter, whose gradient is whole now."""
    norm: float | None
    """2-norm of the gradient that arrives; None where none does."""
    shape: tuple[Any, ...] | None = None
    values: tuple[float | str, ...] | None = None
    """All of it, row by row, where it is small; complex numbers as texts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Backward:
    """A backward pass, or why there is none."""

    steps: tuple[BackwardStep, ...] = ()
    why_not: str = ""


def step_backward(
    tensors: Sequence[Tensor],
    functions: Mapping[int, Function],
    leaves: Mapping[int, Tensor],
) -> Backward:
    """Run backward over a graph that stays, and note each node as it is reached.

    Args:
        tensors: Where it starts; with ones, where there are several numbers.
        functions: The operations, by the numbers of their boxes.
        leaves: The tensors that get a gradient; one may have several boxes.
    """
    boxes: dict[int, list[int]] = {}
    for number, leaf in leaves.items():
        boxes.setdefault(id(leaf), []).append(number)
    unique = list({id(leaf): leaf for leaf in leaves.values()}.values())
    steps: dict[tuple[int, ...], BackwardStep] = {}
    note = partial(_note, steps)
    handles: list[Any] = []
    try:
        for n, function in functions.items():
            handles.append(function.register_prehook(partial(note, (n,))))
        for leaf in unique:
            # A node that only hands a gradient out runs no hook of its own.
            hook = partial(note, tuple(boxes[id(leaf)]))
            handles.append(leaf.register_hook(hook))
        gradients = torch.autograd.grad(
            tensors,
            unique,
            [torch.ones_like(each) for each in tensors],
            retain_graph=True,
            allow_unused=True,
        )
    except Exception as error:  # of autograd, or of a hook of the user's own
        return Backward(why_not=one_line(error).partition("\n")[0])
    finally:
        for handle in handles:
            handle.remove()
    # The hooks have told the order; what is whole is what autograd hands out.
    for leaf, gradient in zip(unique, gradients, strict=True):
        note(tuple(boxes[id(leaf)]), gradient)
    return Backward(steps=tuple(steps.values()))


def _note(
    steps: dict[tuple[int, ...], BackwardStep],
    numbers: tuple[int, ...],
    gradients: tuple[Tensor | None, ...] | Tensor | None,
) -> None:
    """Keep what a hook of a node is given, or one of a tensor."""
    if not isinstance(gradients, tuple):
        gradients = (gradients,)
    steps[numbers] = _step(numbers, gradients)


@torch.no_grad()
def _step(numbers: tuple[int, ...], gradients: Sequence[Tensor | None]) -> BackwardStep:
    there = [each for each in gradients if each is not None]
    if not there:
        return BackwardStep(nodes=numbers, norm=None)
    parts = [stored_values(each) for each in there]
    norm = math.hypot(*(_norm(each) for each in parts))
    first = there[0]
    is_small = len(there) == 1 and first.layout is torch.strided
    values = None
    if is_small and first.numel() <= MOST_VALUES:
        values = tuple(
            str(each) if isinstance(each, complex) else float(each)
            for each in first.reshape(-1).tolist()
        )
    shape = shape_of(first)
    return BackwardStep(nodes=numbers, norm=norm, shape=shape, values=values)


def _norm(tensor: Tensor) -> float:
    """Give the 2-norm of a tensor; squares of half precision would overflow."""
    is_half = tensor.dtype in (torch.float16, torch.bfloat16)
    dtype = torch.float32 if is_half else None
    return float(torch.linalg.vector_norm(tensor, dtype=dtype))
