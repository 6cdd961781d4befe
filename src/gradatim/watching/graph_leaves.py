"""The leaves of a graph: which tensors a backward reaches, and whether they move."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node as Function

from gradatim.nodes import leaf_of, operation_name
from gradatim.watching.identities import identity_of

__all__ = ["LeafSeen", "leaves_of"]

MOST_NODES = 20_000
MOST_NUMBERS = 1_000_000
"""Of a larger tensor the first are looked at."""
TURNS = ("T", "Transpose", "Permute", "View", "Unsqueeze", "Squeeze", "ToCopy")
"""Operations between a weight and what it is used in."""


@dataclass(frozen=True, slots=True)
class LeafSeen:
    """A tensor that a backward gives a gradient."""

    shape: tuple[int, ...]
    total: float
    """Of its numbers: one that moves has another sum at the next look."""
    size: float
    """2-norm."""
    stale: bool
    """Whether it is reached only through operations of an earlier update."""
    feeds: bool = False
    """Whether what it makes goes through an operation of a tensor to be trained."""
    old_grad: float = 0.0
    """Norm of the gradient that it has already."""
    is_parameter: bool = False


def leaves_of(
    root: Function, step: int, num_before: int, trained: set[int]
) -> dict[int, LeafSeen] | None:
    """Find the leaves behind a loss by their identities; None where there are too many.

    Operations next to a leaf are marked with the number of backwards before, so that
    the next look knows those that were not made anew.
    """
    seen = {root}
    stack = [root]
    tensors: dict[int, Tensor] = {}
    fresh: set[int] = set()
    while stack:
        function = stack.pop()
        if len(seen) > MOST_NODES:
            return None
        for other, _ in function.next_functions:
            if other is None:
                continue
            if (leaf := leaf_of(other)) is not None:
                key = identity_of(leaf)
                tensors[key] = leaf
                metadata: Any = function.metadata
                if metadata.setdefault("gradatim_step", (step, num_before))[0] == step:
                    fresh.add(key)
            if other not in seen:
                seen.add(other)
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
    """Find the leaves from which the way to the loss leads past what is trained."""
    below: dict[Function, bool] = {root: False}
    stack = [root]
    found: set[int] = set()
    while stack:
        function = stack.pop()
        flag = below[function]
        others = [other for other, _ in function.next_functions if other is not None]
        own = [_own_leaf(other) for other in others]
        takes = any(leaf is not None and identity_of(leaf) in trained for leaf in own)
        for other, leaf in zip(others, own, strict=True):
            if leaf is not None:
                if flag:
                    found.add(identity_of(leaf))
                continue
            known = below.get(other)
            if known is None or (not known and (flag or takes)):
                below[other] = flag or takes
                stack.append(other)
    return found


def _own_leaf(function: Function) -> Tensor | None:
    """Give the leaf that an operation is given, maybe transposed or of other shape."""
    node: Function | None = function
    for _ in range(3):
        if node is None:
            return None
        if (leaf := leaf_of(node)) is not None:
            return leaf
        if len(node.next_functions) != 1:
            return None
        node = node.next_functions[0][0] if _only_turns(node) else None
    return None


def _only_turns(function: Function) -> bool:
    return operation_name(function) in TURNS


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
