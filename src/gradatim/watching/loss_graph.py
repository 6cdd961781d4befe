"""What the graph behind a loss tells: how big it is, what made it, what broadcasts."""

import math

from torch import Tensor
from torch.autograd.graph import Node as Function

from gradatim.nodes import WEIGHED, leaf_of, operation_name
from gradatim.torch_private import what_node_gives

__all__ = ["Broadcast", "count_nodes_and_broadcasts", "operations_before"]

MOST_NODES = 20_000  # nodes walked of one graph: chosen by hand, not measured
MOST_DEPTH = 12  # from a loss to what is still its own: chosen by hand, not measured
MOST_NAMES = 4  # named operations before a tensor: chosen by hand, not measured
ARITHMETIC = ("Sub", "Add", "Mul", "Div", "Rsub")
"""Operations that broadcast."""

Broadcast = tuple[str, tuple[int, ...], tuple[tuple[int, ...], ...]]
"""An operation, the shape of its output, and the shapes of its inputs."""


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
