"""The loss of each sample, where the loss is one of PyTorch's."""

import copy
import functools
import inspect
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gradatim.losses import LossFn, checked, reduction

__all__ = ["per_sample", "sample_losses"]


def per_sample(loss_fn: LossFn) -> LossFn | None:
    """Give the same loss with ``reduction="none"``; None of a loss of one's own.

    >>> each = per_sample(nn.MSELoss())
    >>> each(torch.zeros(2, 1), torch.tensor([[1.0], [2.0]]))
    tensor([[1.],
            [4.]])
    """
    bare: Any = loss_fn
    while isinstance(bare, functools.partial):
        bare = bare.func
    if isinstance(bare, nn.Module):
        # A class derived from PyTorch's may do anything in its forward.
        is_torchs = type(bare).__module__ == "torch.nn.modules.loss"
        if bare is not loss_fn or not is_torchs or not hasattr(bare, "reduction"):
            return None
        each: Any = copy.copy(bare)  # the weights within stay the same tensors
        each.reduction = "none"
        return checked(each)
    if getattr(F, getattr(bare, "__name__", ""), None) is not bare:
        return None
    function: Any = loss_fn
    if "reduction" not in inspect.signature(function).parameters:
        return None
    return checked(functools.partial(function, reduction="none"))


def sample_losses(
    loss_fn: LossFn, each: LossFn, predictions: Any, targets: Any
) -> Tensor | None:
    """Give one loss a row: what all of it adds to the loss.

    The mean over all dimensions but the first, or the sum for a loss that sums
    (``"sum"``, and ``"batchmean"``, which divides by rows alone). None where the
    loss is not of that kind.

    Args:
        loss_fn: The loss.
        each: From :func:`per_sample`.
        predictions: As the loss took them.
        targets: As the loss took them.
    """
    with torch.no_grad():
        losses = each(predictions, targets)
    if not isinstance(losses, Tensor) or not losses.numel():
        return None
    rows = losses.detach().reshape(losses.size(0) if losses.dim() else 1, -1)
    return rows.mean(dim=1) if reduction(loss_fn) == "mean" else rows.sum(dim=1)
