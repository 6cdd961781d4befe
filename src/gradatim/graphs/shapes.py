"""Shapes as a graph keeps them: sizes, some of which may be no numbers."""

import math
from typing import Any

__all__ = ["in_brackets", "num_bytes_of", "shape_of"]


def shape_of(tensor: Any) -> tuple[Any, ...] | None:
    """Give a shape, in which a size that varies is a text; None where rows differ.

    >>> import torch
    >>> shape_of(torch.ones(2, 3))
    (2, 3)
    """
    try:
        shape = tensor.shape
    except RuntimeError:  # a nested tensor of the older kind
        return None
    return tuple(size if type(size) is int else str(size) for size in shape)


def in_brackets(shape: tuple[Any, ...]) -> str:
    """Write a shape as it stands on a box.

    >>> in_brackets((80, 1)), in_brackets(())
    ('(80, 1)', '()')
    """
    return f"({', '.join(map(str, shape))})"


def num_bytes_of(shape: tuple[Any, ...] | None, itemsize: int) -> int:
    """Give the bytes of a dense tensor; 0 where the shape is not numbers.

    >>> num_bytes_of((80, 1), 4)
    320
    """
    if shape is None or any(type(size) is not int for size in shape):
        return 0
    return math.prod(shape) * itemsize
