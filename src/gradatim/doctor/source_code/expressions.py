"""Expressions in the user's source: found by their place, followed to their use."""

import ast
from collections.abc import Iterator

from gradatim.doctor.source_code.syntax import (
    FUNCTIONS,
    assigns,
    last_name,
    nodes_in,
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
    for node in nodes_of(line.file, ast.expr):
        lines = node.lineno, node.end_lineno
        columns = node.col_offset, node.end_col_offset
        if extent == (*lines, *columns):
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
    match node:
        case ast.Compare(left=left, comparators=[right]):
            return left, right
        case ast.BinOp(left=left, right=right):
            return left, right
        case ast.Call(func=ast.Attribute(value=owner)) if arguments := _arguments(node):
            return owner, arguments[0]
    return None


def sources_of(line: SourceLine | None, node: ast.expr) -> Iterator[ast.expr]:
    """Give an expression, and the values that the names in it may have.

    These are the values assigned to them in the same function, and the arguments of
    all calls of that function in the file.
    """
    yield node
    if line is None:
        return
    names = {name.id for name in nodes_in(node, ast.Name)}
    scope = _scope(parents_in(line.file), node)
    for assignment in nodes_in(scope, ast.Assign):
        if any(assigns(assignment, name) for name in names):
            yield assignment.value
    if isinstance(scope, FUNCTIONS):
        for call in nodes_of(line.file, ast.Call):
            if last_name(call.func) == scope.name:
                yield from _arguments(call)


def _arguments(call: ast.Call) -> list[ast.expr]:
    return [*call.args, *(keyword.value for keyword in call.keywords)]


def gets_dimension(node: ast.expr | None) -> bool:
    """Tell whether the last steps of an expression give a tensor another dimension.

    What stands inside another call does not count, as in ``model(x.view(n, 9))``.
    """
    match node:
        case ast.Attribute(attr=name) if name in WITH_DIMENSION:
            return True
        case ast.Call(func=ast.Attribute(ast.Name(owner), name), args=arguments) if (
            owner in PACKAGES and name not in WITH_DIMENSION
        ):
            return gets_dimension(arguments[0] if arguments else None)
        case ast.Call(func=ast.Attribute() as function):
            return gets_dimension(function)
        case ast.Subscript(value, index):
            adds_dimension = any(c.value is None for c in nodes_in(index, ast.Constant))
            return adds_dimension or gets_dimension(value)
        case ast.Attribute(value) | ast.BinOp(value) | ast.Compare(value):
            return gets_dimension(value)
    return False


def is_averaged(line: SourceLine | None, node: ast.expr) -> bool:
    """Tell whether an expression becomes one number and is used for nothing else."""
    return line is not None and _is_averaged(parents_in(line.file), node, set())


def _is_averaged(parents: Parents, node: ast.AST, done: set[ast.AST]) -> bool:
    """Follow an expression outwards, to ``mean()`` or to the end of its use.

    ``done`` holds what was followed before, so that a name assigned to itself ends.
    """
    if node in done:
        return True
    done.add(node)
    outer = parents.get(node)
    match outer:
        case ast.Assign(targets=[ast.Name(name)]):
            return _are_uses_averaged(parents, outer, name, done)
        case ast.AnnAssign(ast.Name(name)) | ast.NamedExpr(ast.Name(name)):
            return _are_uses_averaged(parents, outer, name, done)
        case ast.Attribute(attr=name):
            call = parents.get(outer)
            if not isinstance(call, ast.Call) or call.func is not outer:
                return False
            if name in AVERAGES:
                return not call.args and not _has_dim(call)
            return name in BY_ELEMENT and _is_averaged(parents, call, done)
        case ast.Call(function, [first, *others]) if first is node:
            name = last_name(function)
            if name in AVERAGES and isinstance(function, ast.Attribute):
                return not others and not _has_dim(outer)
            return name in BY_ELEMENT and _is_averaged(parents, outer, done)
        case ast.BinOp(left, operator, right):
            is_scaled = left is node and isinstance(operator, (ast.Pow, ast.Div))
            is_multiple = ast.Constant in (type(left), type(right))
            return (is_scaled or is_multiple) and _is_averaged(parents, outer, done)
        case ast.UnaryOp() | ast.Compare():
            return _is_averaged(parents, outer, done)
    return False


def _are_uses_averaged(
    parents: Parents, assignment: ast.AST, name: str, done: set[ast.AST]
) -> bool:
    """Follow the uses of the name that an expression is assigned to."""
    names = nodes_in(_scope(parents, assignment), ast.Name)
    read = [n for n in names if n.id == name and isinstance(n.ctx, ast.Load)]
    uses = [use for use in read if not _is_size(parents, use)]
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
