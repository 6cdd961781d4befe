"""What a graph shows of a tensor of any kind: shape, dtype, bytes, stored numbers."""

import math
from typing import Any

import torch
from torch import Tensor

__all__ = [
    "describe_tensor",
    "dtype_name",
    "in_brackets",
    "num_bytes_of",
    "shape_of",
    "stored_values",
]


def shape_of(tensor: Any) -> tuple[Any, ...] | None:
    """Give a shape in which a size that varies is a text; None where rows differ.

    >>> shape_of(torch.ones(2, 3))
    (2, 3)
    """
    try:
        shape = tensor.shape
    except RuntimeError:  # A nested tensor of the older kind has no shape.
        return None
    return tuple(size if type(size) is int else str(size) for size in shape)


def in_brackets(shape: tuple[Any, ...]) -> str:
    """Write a shape as it stands on a box.

    >>> in_brackets((80, 1)), in_brackets(())
    ('(80, 1)', '()')
    """
    return f"({', '.join(map(str, shape))})"


def num_bytes_of(shape: tuple[Any, ...] | None, itemsize: int) -> int:
    """Give the bytes of a dense tensor; 0 where a size is no number.

    >>> num_bytes_of((80, 1), 4)
    320
    """
    if shape is None or any(type(size) is not int for size in shape):
        return 0
    return math.prod(shape) * itemsize


def dtype_name(dtype: torch.dtype) -> str:
    """Write a dtype without ``torch.``.

    >>> dtype_name(torch.float32)
    'float32'
    """
    return str(dtype).removeprefix("torch.")


def describe_tensor(tensor: Any) -> dict[str, Any]:
    """Give the fields of a node for a tensor, or for what autograd notes about one."""
    shape = shape_of(tensor)
    return {
        "shape": shape,
        "dtype": dtype_name(tensor.dtype),
        "device": str(tensor.device),
        "num_bytes": num_bytes_of(shape, tensor.dtype.itemsize),
    }


def stored_values(tensor: Tensor) -> Tensor:
    """Give the numbers that a tensor of any layout stores.

    A sparse tensor does not store its zeros.

    >>> stored_values(torch.eye(2).to_sparse())
    tensor([1., 1.])
    """
    if tensor.layout is torch.strided and not tensor.is_nested:
        return tensor
    is_coo = tensor.layout is torch.sparse_coo
    return (tensor.coalesce() if is_coo else tensor).values()
