"""Finds where the first NaN or infinity of a loss came from."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor
from torch.autograd.graph import Node as Function

from gradatim.nodes import leaf_of, operation_name
from gradatim.torch_private import saved, saved_tensor, sequence_number
from gradatim.watching.identities import identity_of
from gradatim.watching.source_lines import SourceLine

__all__ = ["NonFiniteStart", "non_finite_start"]

MOST_NODES = 5_000  # nodes walked of one graph: chosen by hand, not measured
NAMES_OF_DATA = ("self", "mat1", "input", "other", "target", "batch1")
"""The names of what operations save that may be data."""
WITH_INFINITE_SLOPE = (
    *("Sqrt", "LinalgVectorNorm", "Norm", "Cdist", "Pow", "Rsqrt", "Acos", "Std"),
)
"""Operations whose slope can be infinite."""


@dataclass(slots=True)
class NonFiniteStart:
    """Where the first NaN or infinity of a loss came from."""

    where: str  # ``input``, ``target``, ``weights``, ``operation`` or its name
    name: str  # the name of the operation, or of the parameter
    count: str  # how many numbers are concerned, of how many, in words
    ops: tuple[str, ...] = ()  # the operations in the graph whose slope can be infinite
    step: int = 0
    value: float = 0.0
    line: SourceLine | None = None
    before: tuple[float, ...] = ()  # the losses before this one, the last one last
    grad_norm: float | None = None  # the norm of the gradient at the last update


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
        if count := _num_bad(leaf.detach()):
            name = names.get(identity_of(leaf), "a parameter")
            return NonFiniteStart("weights", name, count, ops=risky)
    inner = [f for f in known if leaf_of(f) is None]
    for function in sorted(inner, key=sequence_number):
        start = _start_at(function)
        if start is not None:
            return start
    return NonFiniteStart("unknown", operation_name(root), "", ops=risky)


def _num_bad(tensor: Tensor) -> str:
    """Say how many numbers are NaN or infinite, of how many; empty without any."""
    return _num_true(~tensor.isfinite()) if tensor.is_floating_point() else ""


def _num_true(entries: Tensor) -> str:
    count = int(entries.sum())
    return f"{count:,} of {entries.numel():,}" if count else ""


def _start_at(function: Function) -> NonFiniteStart | None:
    """Tell whether an operation was given, or made, the first NaN or infinity."""
    kind = operation_name(function)
    own, result = saved_tensor(function, "self"), saved_tensor(function, "result")
    other = saved_tensor(function, "other")
    for name in NAMES_OF_DATA:
        tensor = saved_tensor(function, name)
        if tensor is not None and (count := _num_bad(tensor)):
            if tensor.requires_grad:
                return NonFiniteStart("operation", kind, f"{count} numbers given to it")
            is_target = name == "target" or (name == "other" and kind != "Div")
            return NonFiniteStart("target" if is_target else "input", kind, count)
    count = ""
    if kind in ("Log", "Log2", "Log10") and own is not None:
        where, count = "log", _num_true(own <= 0)
    elif kind == "Div" and other is not None:
        where, count = "div", _num_true(other == 0)
    elif kind == "Pow" and own is not None and _is_root(function):
        where, count = "pow", _num_true(own <= 0)
    if not count and result is not None:
        where = {"Exp": "exp", "Sqrt": "sqrt"}.get(kind, "operation")
        count = _num_bad(result)
    return NonFiniteStart(where, kind, count) if count else None


def _is_root(function: Function) -> bool:
    exponent = saved(function, "exponent", 2)
    if not isinstance(exponent, (int, float)):
        return False
    return exponent < 0 or exponent != int(exponent)
