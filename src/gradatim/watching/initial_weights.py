"""Which layers have the random weights that PyTorch gave them when they were made."""

import math

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

__all__ = ["layers_as_made"]

MOST_NUMBERS = 1_000_000
ENOUGH = 16
NEAR = 0.7
"""The largest of enough numbers, as a share of what it can be."""


def layers_as_made(module: nn.Module) -> set[str]:
    """Name the layers of a model that nothing has changed since they were made.

    Weights of PyTorch's layers are drawn between two bounds. One update, or weights
    loaded from a file, and some lie beyond.
    """
    return {name for name, each in module.named_modules() if _is_as_made(each)}


def _is_as_made(layer: nn.Module) -> bool:
    own = dict(layer._parameters)
    weights = {name: p for name, p in own.items() if p is not None and not is_lazy(p)}
    if isinstance(layer, (nn.Linear, nn.modules.conv._ConvNd)):
        weight = weights.get("weight")
        if weight is None or weight.dim() < 2:
            return False
        bound = 1 / math.sqrt(max(1, math.prod(weight.shape[1:])))
        return all(_is_within(p, bound, p is weight) for p in weights.values())
    if isinstance(layer, nn.RNNBase):
        bound = 1 / math.sqrt(layer.hidden_size)
        return all(_is_within(p, bound, p.dim() > 1) for p in weights.values())
    return False


def _is_within(parameter: Tensor, bound: float, is_weight: bool) -> bool:
    numbers = parameter.detach().flatten()[:MOST_NUMBERS]
    if is_weight and numbers.numel() < ENOUGH:
        return False
    largest = float(numbers.abs().max()) if numbers.numel() else 0.0
    is_below = largest <= bound * (1 + torch.finfo(parameter.dtype).eps)
    return is_below and (not is_weight or largest > NEAR * bound)
