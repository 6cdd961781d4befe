"""Expressions in the user's source: found by their place, followed to their use."""

import ast
from collections.abc import Iterator

from gradatim.doctor.source_code.syntax import (
    FUNCTIONS,
    assigns,
    last_name,
    nodes_of,
    parents_in,
)
from gradatim.watching import Extent, SourceLine

__all__ = [
    "argument_at",
    "expression_at",
    "gets_dimension",
    "is_averaged",
    "operands",
    "sources_of",
]

Parents = dict[ast.AST, ast.AST]
"""For each node of a file the node that it is part of."""
BY_ELEMENT = (
    "abs", "absolute", "bool", "cpu", "detach", "double", "float", "int", "long", "log",
    "log1p", "numpy", "pow", "sqrt", "square", "to", "type",
)  # fmt: skip
"""Functions and methods that make one number of each number."""
AVERAGES = ("mean", "sum", "count_nonzero", "average")
WITH_DIMENSION = ("T", "expand", "mT", "reshape", "t", "unsqueeze", "view")
"""Methods and attributes that may give a tensor another dimension."""
PACKAGES = ("torch", "F", "np")
SIZES = ("shape", "size", "numel", "dtype", "device", "dim", "ndim")
"""Attributes and methods of a tensor that say nothing of its numbers."""


def expression_at(line: SourceLine | None, extent: Extent) -> ast.expr | None:
    """Give the expression that has this extent in the file of a line."""
    if line is None or None in extent:
        return None
    for node in nodes_of(line.file):
        if isinstance(node, ast.expr) and extent == (
            node.lineno,
            node.end_lineno,
            node.col_offset,
            node.end_col_offset,
        ):
            return node
    return None


def argument_at(call: ast.expr | None, index: int) -> ast.expr | None:
    """Give an argument of a call, also from ``f((a, b))``; None where a ``*`` is."""
    if not isinstance(call, ast.Call):
        return None
    arguments = call.args
    if len(arguments) == 1 and isinstance(arguments[0], (ast.Tuple, ast.List)):
        arguments = arguments[0].elts
    has_star = any(isinstance(argument, ast.Starred) for argument in arguments)
    return None if has_star or index >= len(arguments) else arguments[index]


def operands(node: ast.expr) -> tuple[ast.expr, ast.expr] | None:
    """Give both sides of ``a == b``, ``a - b``, ``a.eq(b)``."""
    if isinstance(node, ast.Compare) and len(node.comparators) == 1:
        return node.left, node.comparators[0]
    if isinstance(node, ast.BinOp):
        return node.left, node.right
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        arguments = _arguments(node)
        return (node.func.value, arguments[0]) if arguments else None
    return None


def sources_of(line: SourceLine | None, node: ast.expr) -> Iterator[ast.expr]:
    """Give an expression, and the values that the names in it may have.

    These are the values assigned to them in the same function, and the arguments of
    all calls of that function in the file.
    """
    yield node
    if line is None:
        return
    names = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
    scope = _scope(parents_in(line.file), node)
    for part in ast.walk(scope):
        if isinstance(part, ast.Assign) and any(assigns(part, name) for name in names):
            yield part.value
    if isinstance(scope, FUNCTIONS):
        for part in parents_in(line.file):
            if isinstance(part, ast.Call) and last_name(part.func) == scope.name:
                yield from _arguments(part)


def _arguments(call: ast.Call) -> list[ast.expr]:
    return [*call.args, *(keyword.value for keyword in call.keywords)]


def gets_dimension(node: ast.expr | None) -> bool:
    """Tell whether the last steps of an expression give a tensor another dimension.

    What stands inside another call does not count, as in ``model(x.view(n, 9))``.
    """
    while node is not None:
        if isinstance(node, ast.Attribute):
            if node.attr in WITH_DIMENSION:
                return True
            node = node.value
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            is_function = isinstance(owner, ast.Name) and owner.id in PACKAGES
            if is_function and node.func.attr not in WITH_DIMENSION:
                node = node.args[0] if node.args else None
            else:
                node = node.func
        elif isinstance(node, ast.Subscript):
            parts = ast.walk(node.slice)
            if any(isinstance(p, ast.Constant) and p.value is None for p in parts):
                return True
            node = node.value
        elif isinstance(node, (ast.BinOp, ast.Compare)):
            node = node.left
        else:
            return False
    return False


def is_averaged(line: SourceLine | None, node: ast.expr) -> bool:
    """Tell whether an expression becomes one number and is used for nothing else."""
    return line is not None and _is_averaged(parents_in(line.file), node, set())


def _is_averaged(parents: Parents, node: ast.AST, done: set[ast.AST]) -> bool:
    """Follow an expression outwards, to ``mean()`` or to the end of its use.

    ``done`` holds what was followed before, so that a name assigned to itself ends.
    """
    while node not in done:
        done.add(node)
        outer = parents.get(node)
        if isinstance(outer, (ast.Assign, ast.AnnAssign, ast.NamedExpr)):
            return _are_uses_averaged(parents, outer, done)
        if isinstance(outer, ast.Attribute):
            call = parents.get(outer)
            if not isinstance(call, ast.Call) or call.func is not outer:
                return False
            if outer.attr in AVERAGES:
                return not call.args and not _has_dim(call)
            outer = call if outer.attr in BY_ELEMENT else None
        elif isinstance(outer, ast.Call):
            name = last_name(outer.func)
            is_first = bool(outer.args) and outer.args[0] is node
            if is_first and name in AVERAGES and isinstance(outer.func, ast.Attribute):
                return len(outer.args) == 1 and not _has_dim(outer)
            outer = outer if is_first and name in BY_ELEMENT else None
        elif isinstance(outer, ast.BinOp):
            is_scaled = outer.left is node and isinstance(outer.op, (ast.Pow, ast.Div))
            is_multiple = any(
                isinstance(e, ast.Constant) for e in (outer.left, outer.right)
            )
            outer = outer if is_scaled or is_multiple else None
        elif not isinstance(outer, (ast.UnaryOp, ast.Compare)):
            outer = None
        if outer is None:
            return False
        node = outer
    return True


def _are_uses_averaged(
    parents: Parents, assignment: ast.AST, done: set[ast.AST]
) -> bool:
    """Follow the uses of the name that an expression is assigned to."""
    targets = (
        assignment.targets
        if isinstance(assignment, ast.Assign)
        else [getattr(assignment, "target", None)]
    )
    target = targets[0]
    if len(targets) != 1 or not isinstance(target, ast.Name):
        return False
    uses = [
        node
        for node in ast.walk(_scope(parents, assignment))
        if isinstance(node, ast.Name)
        and node.id == target.id
        and isinstance(node.ctx, ast.Load)
        and not _is_size(parents, node)
    ]
    return bool(uses) and all(_is_averaged(parents, use, done) for use in uses)


def _scope(parents: Parents, node: ast.AST) -> ast.AST:
    """Give the innermost function around a node, else the whole file."""
    while (outer := parents.get(node)) is not None:
        if isinstance(outer, (*FUNCTIONS, ast.Lambda)):
            return outer
        node = outer
    return node


def _is_size(parents: Parents, use: ast.AST) -> bool:
    """Tell whether a use asks for a size, as ``len(x)`` and ``x.shape`` do."""
    outer = parents.get(use)
    if isinstance(outer, ast.Attribute):
        return outer.attr in SIZES
    return isinstance(outer, ast.Call) and last_name(outer.func) == "len"


def _has_dim(call: ast.Call) -> bool:
    return any(keyword.arg != "dtype" for keyword in call.keywords)
