"""Notes which weights a training begins with: those PyTorch drew, or one number."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from gradatim.torch_private import Convolution, own_parameters
from gradatim.watching.identities import identity_of
from gradatim.watching.model_call import ModelCall, ModelObserver

__all__ = ["ConstantMatrix", "InitialWeights", "WeightsAsMade", "constant_matrices"]

MOST_NUMBERS = 1_000_000  # read of one parameter: chosen by hand, not measured
FEWEST_NUMBERS = 16  # of a weight that is judged: chosen by hand, not measured
LEAST_SHARE_OF_BOUND = 0.7
"""A weight's largest number, as a share of its bound: chosen by hand, not measured."""
MOST_MATRICES = 100  # read of one optimizer: chosen by hand, not measured
EQUAL_SHARE_OF_OWN = 1e-4
"""Difference of equal rows, of their largest number: chosen by hand, not measured."""
EQUAL_SHARE_OF_ALL = 1e-6
"""The same, of the largest of all gradients: chosen by hand, not measured."""


@dataclass(slots=True)
class InitialWeights:
    """Which layers began with the random weights that PyTorch gave them."""

    as_made: set[str] | None = None
    """The names of these layers; None before the model is trained."""


@dataclass(frozen=True, slots=True)
class ConstantMatrix:
    """A matrix of weights that is one number throughout."""

    name: str
    shape: tuple[int, ...]
    value: float  # the one number
    is_same: bool  # whether all rows, or all columns, of the gradient are the same


class WeightsAsMade(ModelObserver[InitialWeights]):
    """Sees the weights of a model when it is first trained, and of layers put in."""

    record_type = InitialWeights

    def on_forward(self, call: ModelCall) -> None:
        """Look at the weights at the first forward of a training."""
        record = self.records[call.number]
        if record.as_made is None and call.is_training:
            record.as_made = self.quietly(_layers_as_made, call.module) or set()

    def on_new_parameters(self, number: int, module: nn.Module, new: set[str]) -> None:
        """Look at the weights of the layers that were put in."""
        record = self.records[number]
        as_made = self.quietly(_layers_as_made, module) or set()
        record.as_made = (record.as_made or set()) | (as_made & new)


def _layers_as_made(module: nn.Module) -> set[str]:
    """Name the layers of a model that nothing has changed since they were made."""
    # Their weights are drawn between two bounds; updated or loaded ones lie beyond.
    return {name for name, part in module.named_modules() if _is_as_made(part)}


def _is_as_made(layer: nn.Module) -> bool:
    own = own_parameters(layer)
    weights = {name: p for name, p in own.items() if p is not None and not is_lazy(p)}
    if isinstance(layer, (nn.Linear, Convolution)):
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
    if is_weight and numbers.numel() < FEWEST_NUMBERS:
        return False
    largest = float(numbers.abs().max()) if numbers.numel() else 0.0
    is_below = largest <= bound * (1 + torch.finfo(parameter.dtype).eps)
    return is_below and (not is_weight or largest > LEAST_SHARE_OF_BOUND * bound)


def constant_matrices(
    parameters: list[Tensor], names: Mapping[int, str]
) -> tuple[int, tuple[ConstantMatrix, ...]]:
    """Count the matrices, and give those that are one number throughout."""
    matrices = [p for p in parameters if p.dim() >= 2 and p.numel() > 1][:MOST_MATRICES]
    gradients = [p.grad for p in matrices if p.grad is not None]
    dense = [g for g in gradients if g.layout is torch.strided]
    largest = max((float(g.abs().max()) for g in dense), default=0.0)
    constant = []
    for p in matrices:
        value = p.detach().flatten()[0]
        if bool((p.detach() == value).all()):
            is_same = _has_equal_rows(p.grad, EQUAL_SHARE_OF_ALL * largest)
            name, shape = names[identity_of(p)], tuple(p.shape)
            constant.append(ConstantMatrix(name, shape, float(value), is_same))
    return len(matrices), tuple(constant)


def _has_equal_rows(gradient: Tensor | None, least: float) -> bool:
    """Tell whether all rows, or all columns, are the same up to a difference."""
    if gradient is None or gradient.layout is not torch.strided:
        return False
    wide = gradient.flatten(1)
    difference = max(EQUAL_SHARE_OF_OWN * float(wide.abs().max()), least)
    rows = (wide - wide[:1]).abs().max() <= difference
    columns = (wide - wide[:, :1]).abs().max() <= difference
    return min(wide.shape) >= 2 and bool(rows | columns)
