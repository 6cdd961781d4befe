"""The leaves of a graph: which tensors a backward reaches, and whether they move."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node as Function

from gradatim.nodes import leaf_of, operation_name
from gradatim.watching.identities import identity_of

__all__ = ["LeafSeen", "leaves_of"]

MOST_NODES = 20_000  # nodes walked of one graph: chosen by hand, not measured
MOST_NUMBERS = 1_000_000  # read of one tensor: chosen by hand, not measured
MOST_TURNS = 3  # between a weight and its use: chosen by hand, not measured
TURNS = ("T", "Transpose", "Permute", "View", "Unsqueeze", "Squeeze", "ToCopy")
"""Operations that give a weight another shape or type, and keep its numbers."""


@dataclass(frozen=True, slots=True)
class LeafSeen:
    """A tensor that a backward gives a gradient."""

    shape: tuple[int, ...]
    total: float
    """The sum of the numbers: a tensor that moves has another sum at the next look."""
    size: float
    """The 2-norm of the numbers."""
    stale: bool
    """Whether all operations that lead to the tensor are of an earlier update."""
    feeds: bool = False
    """Whether the tensor's result goes through an operation of a trained tensor."""
    old_grad: float = 0.0
    """The norm of the gradient that the tensor has already."""
    is_parameter: bool = False


def leaves_of(
    root: Function, step: int, trained: set[int]
) -> dict[int, LeafSeen] | None:
    """Find the leaves behind a loss by their identities; None where a graph is too big.

    Operations next to a leaf are marked with the number of updates, so that the next
    look knows the operations that were not made anew.
    """
    known = {root}
    stack = [root]
    tensors: dict[int, Tensor] = {}
    fresh: set[int] = set()
    while stack:
        function = stack.pop()
        if len(known) > MOST_NODES:
            return None
        for other, _ in function.next_functions:
            if other is None:
                continue
            if (leaf := leaf_of(other)) is not None:
                key = identity_of(leaf)
                tensors[key] = leaf
                metadata: Any = function.metadata
                if metadata.setdefault("gradatim_step", step) == step:
                    fresh.add(key)
            if other not in known:
                known.add(other)
                stack.append(other)
    if (leaf := leaf_of(root)) is not None:
        tensors[identity_of(leaf)] = leaf
        fresh.add(identity_of(leaf))
    feeding = _feeding(root, trained)
    return {
        key: _leaf(tensor, key not in fresh, key in feeding)
        for key, tensor in list(tensors.items())
    }


def _feeding(root: Function, trained: set[int]) -> set[int]:
    """Find the leaves from which the way to the loss leads past a trained tensor."""
    below: dict[Function, bool] = {root: False}
    stack = [root]
    feeding: set[int] = set()
    while stack:
        function = stack.pop()
        is_below = below[function]
        others = [other for other, _ in function.next_functions if other is not None]
        own = [_own_leaf(other) for other in others]
        takes = any(leaf is not None and identity_of(leaf) in trained for leaf in own)
        for other, leaf in zip(others, own, strict=True):
            if leaf is not None:
                if is_below:
                    feeding.add(identity_of(leaf))
                continue
            was_below = below.get(other)
            if was_below is None or (not was_below and (is_below or takes)):
                below[other] = is_below or takes
                stack.append(other)
    return feeding


def _own_leaf(function: Function) -> Tensor | None:
    """Give the leaf that an operation is given, maybe transposed or of other shape."""
    node: Function | None = function
    for _ in range(MOST_TURNS):
        if node is None:
            return None
        if (leaf := leaf_of(node)) is not None:
            return leaf
        turns = len(node.next_functions) == 1 and operation_name(node) in TURNS
        node = node.next_functions[0][0] if turns else None
    return None


def _leaf(tensor: Tensor, stale: bool, feeds: bool) -> LeafSeen:
    with torch.no_grad():
        numbers = tensor.detach().flatten()[:MOST_NUMBERS]
        total, size = 0.0, 0.0
        if numbers.is_floating_point() and numbers.numel():
            total = float(numbers.sum())
            size = float(torch.linalg.vector_norm(numbers))
        old = tensor.grad
        has_old = old is not None and old.layout is torch.strided
    return LeafSeen(
        tuple(tensor.shape),
        total,
        size,
        stale,
        feeds=feeds,
        old_grad=float(torch.linalg.vector_norm(old)) if has_old else 0.0,
        is_parameter=isinstance(tensor, nn.Parameter),
    )
