"""Notes what activations between layers gave: which units are dead or saturated."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor
from torch.autograd.graph import Node as Function

from gradatim.nodes import WEIGHED, leaf_of, operation_name
from gradatim.torch_private import saved_tensor
from gradatim.watching.identities import identity_of

__all__ = ["ActivationOutput", "activations_of"]

MOST_NODES = 5_000  # nodes walked of one graph: chosen by hand, not measured
MOST_ACTIVATIONS = 60  # read of one graph: chosen by hand, not measured
MOST_NUMBERS = 200_000  # read of one activation: chosen by hand, not measured
FEWEST_ROWS = 8  # of a unit that is judged: chosen by hand, not measured
SATURATED_WITHIN = 0.01  # of an end: chosen by hand, not measured
MOST_TRIED = 30  # operations tried as a layer: chosen by hand, not measured


@dataclass(frozen=True, slots=True)
class ActivationOutput:
    """What an activation between two layers gave, as autograd saved it."""

    kind: str  # the activation: ``Relu``, ``Sigmoid`` or ``Tanh``
    layer: str  # the name of the layer before the activation
    num_units: int  # the number of units: of columns, or of a picture's channels
    dead: float = 0.0  # the share of units that are zero for all rows
    saturated: float = 0.0  # the share of numbers at an end of sigmoid or tanh


def activations_of(
    root: Function, names: Mapping[int, str]
) -> tuple[ActivationOutput, ...]:
    """Look at what ReLU, sigmoid and tanh gave between two layers."""
    outputs: list[ActivationOutput] = []
    known = {(root, False)}
    stack = [(root, False)]
    while stack and len(known) < MOST_NODES and len(outputs) < MOST_ACTIVATIONS:
        function, is_inner = stack.pop()
        kind = operation_name(function)
        if is_inner and kind in ("Relu", "Sigmoid", "Tanh"):
            result = saved_tensor(function, "result")
            is_wide = result is not None and result.dim() >= 2
            if result is not None and is_wide and len(result) >= FEWEST_ROWS:
                outputs.append(_activation(kind, _layer(function, names), result))
        is_inner = is_inner or kind in WEIGHED
        for other, _ in function.next_functions:
            if other is not None and (other, is_inner) not in known:
                known.add((other, is_inner))
                stack.append((other, is_inner))
    return tuple(outputs)


def _activation(kind: str, layer: str, result: Tensor) -> ActivationOutput:
    most_rows = MOST_NUMBERS * len(result) // max(1, result.numel())
    numbers = result[: max(FEWEST_ROWS, most_rows)]
    is_picture = numbers.dim() >= 4
    units = numbers.movedim(1, -1) if is_picture else numbers
    units = units.flatten(0, -2)
    if kind == "Relu":
        dead = float((units == 0).all(dim=0).float().mean())
        return ActivationOutput(kind, layer, units.size(1), dead=dead)
    low = 0.0 if kind == "Sigmoid" else -1.0
    near = (units < low + SATURATED_WITHIN) | (units > 1 - SATURATED_WITHIN)
    saturated = float(near.float().mean())
    return ActivationOutput(kind, layer, units.size(1), saturated=saturated)


def _layer(function: Function, names: Mapping[int, str]) -> str:
    """Name the nearest layer before an operation."""
    stack, num_tried = [function], 0
    while stack and num_tried < MOST_TRIED:
        before = [f for f, _ in stack.pop(0).next_functions if f is not None]
        num_tried += 1
        for other in before:
            variable = leaf_of(other)
            if variable is not None and variable.dim() >= 2:
                name = names.get(identity_of(variable), "a weight")
                return name.removesuffix(".weight")
        stack += before
    return "a layer"
