"""What the graph behind a loss tells: its size, what made it, what it broadcasts.

Its leaves are the tensors that a backward reaches, with whether they move.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node as Function

from gradatim.nodes import WEIGHED, leaf_of, operation_name
from gradatim.torch_private import what_node_gives
from gradatim.watching.identities import identity_of

__all__ = [
    "Broadcast",
    "LeafSeen",
    "count_nodes_and_broadcasts",
    "leaves_of",
    "operations_before",
]

MOST_NODES = 20_000  # nodes walked of one graph: chosen by hand, not measured
MOST_DEPTH = 12  # from a loss to what is still its own: chosen by hand, not measured
MOST_NAMES = 4  # named operations before a tensor: chosen by hand, not measured
ARITHMETIC = ("Sub", "Add", "Mul", "Div", "Rsub")
"""Operations that broadcast."""
MOST_NUMBERS = 1_000_000  # read of one tensor: chosen by hand, not measured
MOST_TURNS = 3  # between a weight and its use: chosen by hand, not measured
TURNS = ("T", "Transpose", "Permute", "View", "Unsqueeze", "Squeeze", "ToCopy")
"""Operations that give a weight another shape or type, and keep its numbers."""

Broadcast = tuple[str, tuple[int, ...], tuple[tuple[int, ...], ...]]
"""An operation, the shape of its output, and the shapes of its inputs."""


@dataclass(frozen=True, slots=True)
class LeafSeen:
    """A tensor that a backward gives a gradient."""

    shape: tuple[int, ...]
    total: float  # of its numbers: a tensor that moves has another sum later
    size: float  # the 2-norm of the numbers
    stale: bool  # whether all operations that lead to it are of an earlier update
    feeds: bool = False  # whether its result meets a trained tensor on the way
    old_grad: float = 0.0  # the norm of the gradient that the tensor has already
    is_parameter: bool = False


def operations_before(tensor: Tensor) -> tuple[str, ...]:
    """Name the last operations that made a tensor, while each has one before it."""
    names: list[str] = []
    function = tensor.grad_fn
    while function is not None and len(names) < MOST_NAMES:
        names.append(operation_name(function))
        before = [f for f, _ in function.next_functions if f is not None]
        inner = [f for f in before if leaf_of(f) is None]
        function = inner[0] if len(inner) == 1 else None
    return tuple(names)


def count_nodes_and_broadcasts(root: Function) -> tuple[int, tuple[Broadcast, ...]]:
    """Count the nodes behind a loss, and find broadcasts by hand near the loss.

    A broadcast is an addition, subtraction or product of two tensors whose result has
    more numbers than either of them.
    """
    known = {root}
    stack = [(root, 0)]
    broadcasts: list[Broadcast] = []
    while stack and len(known) < MOST_NODES:
        function, depth = stack.pop()
        kind = operation_name(function)
        if depth < MOST_DEPTH and kind in ARITHMETIC:
            broadcast = _broadcast_of(function)
            if broadcast is not None:
                broadcasts.append(broadcast)
        for other, _ in function.next_functions:
            if other is not None and other not in known:
                known.add(other)
                # What lies behind a layer with weights does not belong to the loss.
                stack.append((other, MOST_DEPTH if kind in WEIGHED else depth + 1))
    return len(known), tuple(broadcasts)


def _broadcast_of(function: Function) -> Broadcast | None:
    metadata = what_node_gives(function)
    if not metadata:
        return None
    shape = tuple(metadata[0].shape)
    inputs = []
    for other, place in function.next_functions:
        if other is None:
            continue
        if (leaf := leaf_of(other)) is not None:
            inputs.append(tuple(leaf.shape))
        else:
            given = what_node_gives(other)
            if place < len(given):
                inputs.append(tuple(given[place].shape))
    if any(type(n) is not int for n in shape) or not inputs:
        return None
    # If one of two inputs has more numbers than the result, autograd may not know the
    # other: that one has all of the result's shape, and nothing is broadcast.
    if all(math.prod(sizes) < math.prod(shape) for sizes in inputs):
        return operation_name(function), shape, tuple(inputs)
    return None


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
