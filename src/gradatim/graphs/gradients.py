"""Backward, one node at a time: autograd's own order, and the gradient at each node."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import Node as Function

from gradatim.errors import told

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
    reached: list[tuple[int, BackwardStep]] = []

    def note(number: int) -> Any:
        def hook(gradients: tuple[Tensor | None, ...]) -> None:
            reached.append((number, _step((number,), gradients)))

        return hook

    handles = [function.register_prehook(note(n)) for n, function in functions.items()]
    try:
        with torch.enable_grad():
            gradients = torch.autograd.grad(
                tensors,
                unique,
                [torch.ones_like(each) for each in tensors],
                retain_graph=True,
                allow_unused=True,
            )
    except Exception as error:  # of autograd, or of a hook of the user's own
        return Backward(why_not=told(error).partition("\n")[0])
    finally:
        for handle in handles:
            handle.remove()
    of_leaf = {
        id(leaf): _step(tuple(boxes[id(leaf)]), (gradient,))
        for leaf, gradient in zip(unique, gradients, strict=True)
    }
    return Backward(steps=tuple(_with_leaves(reached, functions, leaves, of_leaf)))


def _with_leaves(
    reached: list[tuple[int, BackwardStep]],
    functions: Mapping[int, Function],
    leaves: Mapping[int, Tensor],
    of_leaf: dict[int, BackwardStep],
) -> Iterator[BackwardStep]:
    """Put each leaf after the last operation that it is used by, as autograd does."""
    uses: dict[int, int] = {}
    for _, leaf in _uses(reached, functions):
        uses[id(leaf)] = uses.get(id(leaf), 0) + 1
    for number, step in reached:
        yield step
        for _, leaf in _uses([(number, step)], functions):
            uses[id(leaf)] -= 1
            if not uses[id(leaf)]:
                yield of_leaf.pop(id(leaf))
    yield from of_leaf.values()  # where backward starts at a leaf


def _uses(
    reached: list[tuple[int, BackwardStep]], functions: Mapping[int, Function]
) -> Iterator[tuple[int, Tensor]]:
    for number, _ in reached:
        for other, _ in functions[number].next_functions:
            if other is not None and hasattr(other, "variable"):
                yield number, other.variable


@torch.no_grad()
def _step(numbers: tuple[int, ...], gradients: Sequence[Tensor | None]) -> BackwardStep:
    there = [each for each in gradients if each is not None]
    if not there:
        return BackwardStep(nodes=numbers, norm=None)
    parts = [_numbers(each) for each in there]
    norm = math.hypot(*(float(torch.linalg.vector_norm(each)) for each in parts))
    first = there[0]
    is_small = len(there) == 1 and first.layout is torch.strided
    values = None
    if is_small and first.numel() <= MOST_VALUES:
        values = tuple(
            str(each) if isinstance(each, complex) else float(each)
            for each in first.reshape(-1).tolist()
        )
    shape = tuple(n if type(n) is int else str(n) for n in first.shape)
    return BackwardStep(nodes=numbers, norm=norm, shape=shape, values=values)


def _numbers(tensor: Tensor) -> Tensor:
    """Give the numbers of a gradient of any layout."""
    if tensor.layout is torch.strided and not tensor.is_nested:
        return tensor
    if tensor.layout is torch.sparse_coo:
        return tensor.coalesce().values()
    return tensor.values()
