"""The loss of each row of a batch, if the loss is one of PyTorch's."""

import copy
import functools
import inspect
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gradatim.losses import LossFn, checked, reduction, without_partial

__all__ = ["per_sample", "sample_losses"]


def per_sample(loss_fn: LossFn) -> LossFn | None:
    """Give the same loss with ``reduction="none"``; None if the user wrote the loss.

    >>> unreduced = per_sample(nn.MSELoss())
    >>> unreduced(torch.zeros(2, 1), torch.tensor([[1.0], [2.0]]))
    tensor([[1.],
            [4.]])
    """
    bare = without_partial(loss_fn)
    if isinstance(bare, nn.Module):
        # A class that is derived from one of PyTorch's may do anything in its forward.
        is_torchs = type(bare).__module__ == "torch.nn.modules.loss"
        if bare is not loss_fn or not is_torchs or not hasattr(bare, "reduction"):
            return None
        unreduced: Any = copy.copy(bare)  # Weights inside stay the same tensors.
        unreduced.reduction = "none"
        return checked(unreduced)
    if getattr(F, getattr(bare, "__name__", ""), None) is not bare:
        return None
    function: Any = loss_fn
    if "reduction" not in inspect.signature(function).parameters:
        return None
    return checked(functools.partial(function, reduction="none"))


def sample_losses(
    loss_fn: LossFn, unreduced: LossFn, predictions: Any, targets: Any
) -> Tensor | None:
    """Give one loss for each row: what the row adds to the loss.

    That is the mean over all dimensions but the first. For a loss that sums (``"sum"``,
    and ``"batchmean"``, which divides by the number of rows alone) it is their sum.

    Predictions and targets are as the loss took them; ``unreduced`` is that loss from
    :func:`per_sample`. None if it does not give a tensor with at least one number.
    """
    with torch.no_grad():
        losses = unreduced(predictions, targets)
    if not isinstance(losses, Tensor) or not losses.numel():
        return None
    rows = losses.detach().reshape(losses.size(0) if losses.dim() else 1, -1)
    return rows.mean(dim=1) if reduction(loss_fn) == "mean" else rows.sum(dim=1)
