"""The dtype in which forward and loss are computed, and the scaling that float16 needs.

bfloat16 has the range of float32. float16 has not: small gradients would become 0. So
the loss is multiplied by a scale before backward, gradients are divided by it before
the update, and an update whose gradients overflow is left out and the scale halved.

Source: Micikevicius et al. 2018, Mixed Precision Training,
https://arxiv.org/abs/1710.03740; the scaling is ``torch.amp.GradScaler``'s.
"""

import contextlib
from typing import Literal

import torch
from torch import Tensor, nn

from gradatim.modules import device_of

__all__ = ["AUTOCAST_DTYPES", "Precision", "autocast", "in_full_precision"]

Precision = Literal["float32", "bf16", "fp16"]

AUTOCAST_DTYPES: dict[str, torch.dtype | None] = {
    "float32": None,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}
"""What forward and loss are computed in; None for the dtype of the weights."""


def autocast(
    model: nn.Module, dtype: torch.dtype | None
) -> contextlib.AbstractContextManager[object]:
    """Give the context in which a reduced precision runs the model."""
    if dtype is None:  # not autocast(enabled=False): an outer one is the user's
        return contextlib.nullcontext()
    return torch.autocast(device_of(model).type, dtype=dtype)


def in_full_precision(tensor: Tensor) -> Tensor:
    """Give float32 of what autocast computed, which NumPy and metrics can take.

    >>> in_full_precision(torch.zeros(2, dtype=torch.bfloat16)).dtype
    torch.float32
    """
    is_half = tensor.dtype in (torch.bfloat16, torch.float16)
    return tensor.float() if is_half else tensor
