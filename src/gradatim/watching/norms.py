"""The sizes of gradients and updates."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from gradatim.torch_private import norms_of

__all__ = ["joint_norm", "update_of"]


def joint_norm(tensors: Sequence[Tensor]) -> float | None:
    """Give the 2-norm of all tensors together; None where there are none."""
    dense = [t for t in tensors if t.layout is torch.strided and not t.is_nested]
    if not dense:
        return None
    with torch.no_grad():
        norms = norms_of([t.detach() for t in dense])
        return math.hypot(*(float(norm) for norm in norms))


def update_of(before: Tensor, after: Tensor) -> tuple[float, float]:
    """Give the norms of what an update added, and of the weight that was there."""
    with torch.no_grad():
        delta = float(torch.linalg.vector_norm(after.detach() - before))
        return delta, float(torch.linalg.vector_norm(before))
