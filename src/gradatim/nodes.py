"""Autograd's nodes, as they are read from outside."""

from torch import Tensor
from torch.autograd.graph import Node

from gradatim.torch_private import variable_of

__all__ = ["WEIGHED", "leaf_of", "operation_name"]

WEIGHED = ("Addmm", "Mm", "Bmm", "Baddbmm", "Convolution", "Linear", "Mv")
"""Operations with a matrix of weights."""


def leaf_of(node: Node) -> Tensor | None:
    """Give the tensor whose ``.grad`` a node adds to; None of an operation."""
    return variable_of(node)


def operation_name(node: Node) -> str:
    """Give the name of an operation, not that of its backward.

    A backward of a backward keeps one: ``TanhBackwardBackward0`` is ``TanhBackward``.

    >>> import torch
    >>> operation_name(torch.ones(1, requires_grad=True).tanh().grad_fn)
    'Tanh'
    """
    name = node.name().rpartition("::")[2]
    return name.rstrip("0123456789").removesuffix("Backward") or name
