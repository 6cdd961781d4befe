"""What is asked of any module: its mode, its device, the module inside a wrapper."""

import contextlib
from collections.abc import Iterator

import torch
from torch import nn

from gradatim.torch_private import inner_of_compiled

__all__ = ["bare", "device_of", "evaluating"]


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put ``model`` into eval mode without gradients; put every layer's mode back.

    >>> model = nn.Sequential(nn.Dropout(), nn.Dropout().eval())
    >>> with evaluating(model):
    ...     [layer.training for layer in model.modules()]
    [False, False, False]
    >>> [layer.training for layer in model.modules()]
    [True, True, False]
    """
    training = [module for module in model.modules() if module.training]
    if training:
        model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        # The attribute, not train(): that would go down into every child.
        for module in training:
            module.training = True


def bare(module: nn.Module) -> nn.Module:
    """Give the module behind ``torch.compile``, whose names are the same."""
    inner = inner_of_compiled(module)
    return inner if isinstance(inner, nn.Module) else module


def device_of(model: nn.Module) -> torch.device:
    """Tell where the model's first parameter or buffer lies; the CPU if it has none."""
    for tensor in (*model.parameters(), *model.buffers()):
        return tensor.device
    return torch.device("cpu")
