"""What a graph's saved tensors tell: where NaN began, and what is dead or saturated."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.autograd.graph import Node as Function

from gradatim.nodes import WEIGHED, leaf_of, operation_name
from gradatim.watching.identities import identity_of
from gradatim.watching.training_seen import (
    ActivationOutput,
    ConstantMatrix,
    NonFiniteStart,
)

__all__ = ["activations_of", "bad_start", "constant_weights"]

MOST_NODES = 5_000
MOST_ACTIVATIONS = 60
DATA = ("self", "mat1", "input", "other", "target", "batch1")
"""Names of what an operation saves that may be data."""


def _saved(function: Function, name: str) -> Tensor | None:
    try:
        found = getattr(function, f"_saved_{name}", None)
    except RuntimeError:  # freed, or changed in place
        return None
    return found if isinstance(found, Tensor) else None


def activations_of(
    root: Function, names: Mapping[int, str]
) -> tuple[ActivationOutput, ...]:
    """Look at what ReLU, sigmoid and tanh gave, at those between layers."""
    found: list[ActivationOutput] = []
    seen = {(root, False)}
    stack = [(root, False)]
    while stack and len(seen) < MOST_NODES and len(found) < MOST_ACTIVATIONS:
        function, is_inner = stack.pop()
        kind = operation_name(function)
        if is_inner and kind in ("Relu", "Sigmoid", "Tanh"):
            result = _saved(function, "result")
            if result is not None and result.dim() >= 2 and len(result) >= 8:
                found.append(_activation(kind, _layer(function, names), result))
        is_inner = is_inner or kind in WEIGHED
        for other, _ in function.next_functions:
            if other is not None and (other, is_inner) not in seen:
                seen.add((other, is_inner))
                stack.append((other, is_inner))
    return tuple({id(a): a for a in found}.values())


def _activation(kind: str, layer: str, result: Tensor) -> ActivationOutput:
    numbers = result[: max(8, 200_000 * len(result) // max(1, result.numel()))]
    is_picture = numbers.dim() >= 4
    units = numbers.movedim(1, -1) if is_picture else numbers
    units = units.flatten(0, -2)
    if kind == "Relu":
        dead = float((units == 0).all(dim=0).float().mean())
        return ActivationOutput(kind, layer, units.size(1), dead=dead)
    low = 0.0 if kind == "Sigmoid" else -1.0
    near = (units < low + 0.01) | (units > 0.99)
    return ActivationOutput(
        kind, layer, units.size(1), saturated=float(near.float().mean())
    )


def _layer(function: Function, names: Mapping[int, str]) -> str:
    """Name the nearest layer whose output it takes."""
    stack, tried = [function], 0
    while stack and tried < 30:
        each = stack.pop(0)
        tried += 1
        for other, _ in each.next_functions:
            variable = None if other is None else leaf_of(other)
            if variable is not None and variable.dim() >= 2:
                return names.get(identity_of(variable), "a weight").removesuffix(
                    ".weight"
                )
        stack += [other for other, _ in each.next_functions if other is not None]
    return "a layer"


def constant_weights(
    parameters: list[Tensor], names: Mapping[int, str]
) -> tuple[int, tuple[ConstantMatrix, ...]]:
    """Count the matrices, and give those that are one number throughout."""
    matrices = [p for p in parameters if p.dim() >= 2 and p.numel() > 1][:100]
    found = []
    gradients = [p.grad for p in matrices if p.grad is not None]
    largest = max(
        (float(g.abs().max()) for g in gradients if g.layout is torch.strided),
        default=0.0,
    )
    for p in matrices:
        first = p.detach().flatten()[0]
        if not bool((p.detach() == first).all()):
            continue
        gradient = p.grad
        is_same = False
        if gradient is not None and gradient.layout is torch.strided:
            wide = gradient.flatten(1)
            size = max(1e-4 * float(wide.abs().max()), 1e-6 * largest)
            rows = (wide - wide[:1]).abs().max() <= size
            columns = (wide - wide[:, :1]).abs().max() <= size
            is_same = min(wide.shape) >= 2 and bool(rows | columns)
        found.append(
            ConstantMatrix(names[identity_of(p)], tuple(p.shape), float(first), is_same)
        )
    return len(matrices), tuple(found)


def bad_start(root: Function, names: Mapping[int, str]) -> NonFiniteStart:
    """Find the first operation that gave NaN or infinity, or the data that has them."""
    seen = {root}
    stack = [root]
    while stack and len(seen) < MOST_NODES:
        for other, _ in stack.pop().next_functions:
            if other is not None and other not in seen:
                seen.add(other)
                stack.append(other)
    ops = {operation_name(f) for f in seen}
    weights = [v for f in seen if (v := leaf_of(f)) is not None]
    for v in weights:
        if (bad := _num_bad(v.detach())) > 0:
            name = names.get(identity_of(v), "a parameter")
            return NonFiniteStart(
                "weights", name, f"{bad:,} of {v.numel():,}", ops=_roots(ops)
            )
    inner = [f for f in seen if leaf_of(f) is None]
    for function in sorted(inner, key=lambda f: f._sequence_nr()):
        found = _look(function)
        if found is not None:
            return found
    return NonFiniteStart("unknown", operation_name(root), "", ops=_roots(ops))


def _roots(ops: set[str]) -> tuple[str, ...]:
    risky = ("Sqrt", "LinalgVectorNorm", "Norm", "Cdist", "Pow", "Rsqrt", "Acos", "Std")
    return tuple(sorted(ops & set(risky)))


def _num_bad(tensor: Tensor) -> int:
    if not tensor.is_floating_point():
        return 0
    return int((~tensor.isfinite()).sum())


def _look(function: Function) -> NonFiniteStart | None:
    kind = operation_name(function)
    self_, result = _saved(function, "self"), _saved(function, "result")
    other = _saved(function, "other")
    for name in DATA:
        saved = _saved(function, name)
        if saved is not None and (bad := _num_bad(saved)) > 0:
            is_target = name == "target" or (name == "other" and kind != "Div")
            where = "target" if is_target else "input"
            total = f"{bad:,} of {saved.numel():,}"
            if saved.requires_grad:
                return NonFiniteStart("operation", kind, f"{total} numbers given to it")
            return NonFiniteStart(where, kind, total)
    risky = None
    if kind in ("Log", "Log2", "Log10") and self_ is not None:
        risky = ("log", self_ <= 0)
    elif kind == "Div" and other is not None:
        risky = ("div", other == 0)
    elif kind == "Pow" and self_ is not None and _is_root(function):
        risky = ("pow", self_ <= 0)
    if risky is not None and (count := int(risky[1].sum())) > 0:
        return NonFiniteStart(risky[0], kind, f"{count:,} of {risky[1].numel():,}")
    if result is not None and (bad := _num_bad(result)) > 0:
        where = {"Exp": "exp", "Sqrt": "sqrt"}.get(kind, "operation")
        return NonFiniteStart(where, kind, f"{bad:,} of {result.numel():,}")
    return None


def _is_root(function: Function) -> bool:
    exponent = getattr(function, "_saved_exponent", 2)
    if not isinstance(exponent, (int, float)):
        return False
    return exponent < 0 or exponent != int(exponent)
