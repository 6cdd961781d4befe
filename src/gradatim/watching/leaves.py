"""The leaves of a graph: which tensors a backward reaches, and whether they move."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import Node as Function

from gradatim.nodes import leaf_of

__all__ = ["LeafSeen", "leaves_of"]

MOST_NODES = 20_000
MOST_NUMBERS = 1_000_000
"""Of a larger tensor the first are looked at."""


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


def leaves_of(root: Function, step: int, num_before: int) -> dict[int, LeafSeen] | None:
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
                key = id(leaf)
                tensors[key] = leaf
                metadata: Any = function.metadata
                if metadata.setdefault("gradatim_step", (step, num_before))[0] == step:
                    fresh.add(key)
            if other not in seen:
                seen.add(other)
                stack.append(other)
    if (leaf := leaf_of(root)) is not None:
        tensors[id(leaf)] = leaf
        fresh.add(id(leaf))
    return {
        key: _leaf(tensor, key not in fresh) for key, tensor in list(tensors.items())
    }


def _leaf(tensor: Tensor, stale: bool) -> LeafSeen:
    with torch.no_grad():
        numbers = tensor.detach().flatten()[:MOST_NUMBERS]
        total, size = 0.0, 0.0
        if numbers.is_floating_point() and numbers.numel():
            total = float(numbers.sum())
            size = float(torch.linalg.vector_norm(numbers))
    return LeafSeen(tuple(tensor.shape), total, size, stale)
