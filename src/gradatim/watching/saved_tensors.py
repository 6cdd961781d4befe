"""What autograd saved tells: where NaN began, and which units are dead or saturated."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor
from torch.autograd.graph import Node as Function

from gradatim.nodes import WEIGHED, leaf_of, operation_name
from gradatim.torch_private import saved, sequence_number
from gradatim.watching.identities import identity_of
from gradatim.watching.source_lines import SourceLine

__all__ = ["ActivationOutput", "NonFiniteStart", "activations_of", "non_finite_start"]

MOST_NODES = 5_000
"""Nodes of one graph that are walked: chosen by hand, not measured."""
MOST_ACTIVATIONS = 60
"""Activations of one graph that are looked at: chosen by hand, not measured."""
MOST_NUMBERS = 200_000
"""Numbers of one activation that are looked at: chosen by hand, not measured."""
FEWEST_ROWS = 8
"""Rows below which a unit is zero by chance: chosen by hand, not measured."""
SATURATED_WITHIN = 0.01
"""Distance to an end at which a unit is saturated: chosen by hand, not measured."""
MOST_TRIED = 30
"""Operations among which a layer is sought: chosen by hand, not measured."""
NAMES_OF_DATA = ("self", "mat1", "input", "other", "target", "batch1")
"""The names of what operations save that may be data."""
WITH_INFINITE_SLOPE = (
    *("Sqrt", "LinalgVectorNorm", "Norm", "Cdist", "Pow", "Rsqrt", "Acos", "Std"),
)
"""Operations whose slope can be infinite."""


@dataclass(frozen=True, slots=True)
class ActivationOutput:
    """What an activation between two layers gave, as autograd saved it."""

    kind: str
    """The activation: ``Relu``, ``Sigmoid`` or ``Tanh``."""
    layer: str
    """The name of the layer before the activation."""
    num_units: int
    """The number of units: of columns, or of a picture's channels."""
    dead: float = 0.0
    """The share of units that are zero for all rows."""
    saturated: float = 0.0
    """The share of numbers at an end of sigmoid or tanh."""


@dataclass(slots=True)
class NonFiniteStart:
    """Where the first NaN or infinity of a loss came from."""

    where: str
    """``input``, ``target``, ``weights``, ``operation``, or the operation's name."""
    name: str
    """The name of the operation, or of the parameter."""
    count: str
    """How many numbers are concerned, of how many, in words."""
    ops: tuple[str, ...] = ()
    """The operations in the graph whose slope can be infinite."""
    step: int = 0
    """The number of updates that were made before the loss."""
    value: float = 0.0
    """The value of the loss."""
    line: SourceLine | None = None
    """The user's line that called ``backward``."""
    before: tuple[float, ...] = ()
    """The losses before this one, the last one last."""
    grad_norm: float | None = None
    """The norm of the gradient at the last update."""


def _saved(function: Function, name: str) -> Tensor | None:
    try:
        tensor = saved(function, name, None)
    except RuntimeError:  # the tensor is freed, or was changed in place
        return None
    return tensor if isinstance(tensor, Tensor) else None


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
            result = _saved(function, "result")
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


def non_finite_start(root: Function, names: Mapping[int, str]) -> NonFiniteStart:
    """Find the first operation that gave NaN or infinity, or the data that has them."""
    known = {root}
    stack = [root]
    while stack and len(known) < MOST_NODES:
        for other, _ in stack.pop().next_functions:
            if other is not None and other not in known:
                known.add(other)
                stack.append(other)
    ops = {operation_name(f) for f in known} & set(WITH_INFINITE_SLOPE)
    risky = tuple(sorted(ops))
    for leaf in [leaf for f in known if (leaf := leaf_of(f)) is not None]:
        if (num_bad := _num_bad(leaf.detach())) > 0:
            name = names.get(identity_of(leaf), "a parameter")
            count = f"{num_bad:,} of {leaf.numel():,}"
            return NonFiniteStart("weights", name, count, ops=risky)
    inner = [f for f in known if leaf_of(f) is None]
    for function in sorted(inner, key=sequence_number):
        start = _start_at(function)
        if start is not None:
            return start
    return NonFiniteStart("unknown", operation_name(root), "", ops=risky)


def _num_bad(tensor: Tensor) -> int:
    if not tensor.is_floating_point():
        return 0
    return int((~tensor.isfinite()).sum())


def _start_at(function: Function) -> NonFiniteStart | None:
    """Tell whether an operation was given, or made, the first NaN or infinity."""
    kind = operation_name(function)
    own, result = _saved(function, "self"), _saved(function, "result")
    other = _saved(function, "other")
    for name in NAMES_OF_DATA:
        tensor = _saved(function, name)
        if tensor is not None and (num_bad := _num_bad(tensor)) > 0:
            is_target = name == "target" or (name == "other" and kind != "Div")
            where = "target" if is_target else "input"
            count = f"{num_bad:,} of {tensor.numel():,}"
            if tensor.requires_grad:
                count = f"{count} numbers given to it"
                return NonFiniteStart("operation", kind, count)
            return NonFiniteStart(where, kind, count)
    risk = None
    if kind in ("Log", "Log2", "Log10") and own is not None:
        risk = ("log", own <= 0)
    elif kind == "Div" and other is not None:
        risk = ("div", other == 0)
    elif kind == "Pow" and own is not None and _is_root(function):
        risk = ("pow", own <= 0)
    if risk is not None and (num_bad := int(risk[1].sum())) > 0:
        return NonFiniteStart(risk[0], kind, f"{num_bad:,} of {risk[1].numel():,}")
    if result is not None and (num_bad := _num_bad(result)) > 0:
        where = {"Exp": "exp", "Sqrt": "sqrt"}.get(kind, "operation")
        return NonFiniteStart(where, kind, f"{num_bad:,} of {result.numel():,}")
    return None


def _is_root(function: Function) -> bool:
    exponent = saved(function, "exponent", 2)
    if not isinstance(exponent, (int, float)):
        return False
    return exponent < 0 or exponent != int(exponent)
