"""One backward pass: the order of its nodes, and the gradient at each of them."""

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

MAX_VALUES = 16
"""Of a larger gradient only the norm is kept; chosen by hand, not measured."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BackwardStep:
    """A moment of backward: a gradient arrives at an operation or a parameter."""

    nodes: tuple[int, ...]
    """The box of the operation; or all boxes of the parameter, whose gradient is then
    complete."""
    norm: float | None
    """The 2-norm of the gradient that arrives; None where none does."""
    shape: tuple[Any, ...] | None = None
    values: tuple[float | str, ...] | None = None
    """The numbers of a small gradient, row by row; complex numbers are texts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Backward:
    """The steps of a backward pass, in autograd's own order."""

    steps: tuple[BackwardStep, ...] = ()
    why_not: str = ""
    """Why there are no steps."""


def step_backward(
    tensors: Sequence[Tensor],
    functions: Mapping[int, Function],
    leaves: Mapping[int, Tensor],
) -> Backward:
    """Run backward over a graph, which stays, and note each node as it is reached.

    It starts from ``tensors`` with a gradient of ones. The operations, and the leaves
    that get a gradient, come by the numbers of their boxes; a leaf may have several.
    """
    boxes: dict[int, list[int]] = {}
    for number, leaf in leaves.items():
        boxes.setdefault(id(leaf), []).append(number)
    unique = list({id(leaf): leaf for leaf in leaves.values()}.values())
    steps: dict[tuple[int, ...], BackwardStep] = {}
    note = partial(_note, steps)
    handles: list[Any] = []
    try:
        for number, function in functions.items():
            handles.append(function.register_prehook(partial(note, (number,))))
        for leaf in unique:
            # The node of a leaf runs no hook when autograd.grad returns its gradient,
            # so the hook is on the tensor.
            hook = partial(note, tuple(boxes[id(leaf)]))
            handles.append(leaf.register_hook(hook))
        gradients = torch.autograd.grad(
            tensors,
            unique,
            [torch.ones_like(tensor) for tensor in tensors],
            retain_graph=True,
            allow_unused=True,
        )
    except Exception as error:  # from autograd, or from one of the user's hooks
        return Backward(why_not=one_line(error).partition("\n")[0])
    finally:
        for handle in handles:
            handle.remove()
    # The hooks have noted the order. The complete gradient of a leaf is the one that
    # autograd returns.
    for leaf, gradient in zip(unique, gradients, strict=True):
        note(tuple(boxes[id(leaf)]), gradient)
    return Backward(steps=tuple(steps.values()))


@torch.no_grad()
def _note(
    steps: dict[tuple[int, ...], BackwardStep],
    numbers: tuple[int, ...],
    gradients: tuple[Tensor | None, ...] | Tensor | None,
) -> None:
    """Note the gradients that a hook of a node, or of a tensor, is called with."""
    if not isinstance(gradients, tuple):
        gradients = (gradients,)
    steps[numbers] = BackwardStep(nodes=numbers, norm=None)
    present = [gradient for gradient in gradients if gradient is not None]
    if not present:
        return
    norm = math.hypot(*(_norm(stored_values(gradient)) for gradient in present))
    first = present[0]
    is_plain = len(present) == 1 and first.layout is torch.strided
    values = None
    if is_plain and first.numel() <= MAX_VALUES:
        values = tuple(
            str(value) if isinstance(value, complex) else float(value)
            for value in first.reshape(-1).tolist()
        )
    steps[numbers] = BackwardStep(
        nodes=numbers, norm=norm, shape=shape_of(first), values=values
    )


def _norm(tensor: Tensor) -> float:
    """Give the 2-norm of a tensor. In half precision the squares would overflow."""
    is_half = tensor.dtype in (torch.float16, torch.bfloat16)
    dtype = torch.float32 if is_half else None
    return float(torch.linalg.vector_norm(tensor, dtype=dtype))
