"""Expressions of the user's source, by where they stand, and what becomes of them."""

import ast
from collections.abc import Iterator

from gradatim.doctor.source_code.syntax import (
    FUNCTIONS,
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

Tree = dict[ast.AST, ast.AST]
"""Of each node the one that it is part of."""
BY_ELEMENT = (
    "abs",
    "absolute",
    "bool",
    "cpu",
    "detach",
    "double",
    "float",
    "int",
    "long",
    "log",
    "log1p",
    "numpy",
    "pow",
    "sqrt",
    "square",
    "to",
    "type",
)
AVERAGES = ("mean", "sum", "count_nonzero", "average")
WITH_DIMENSION = ("T", "expand", "mT", "reshape", "t", "unsqueeze", "view")
PACKAGES = ("torch", "F", "np")
SIZES = ("shape", "size", "numel", "dtype", "device", "dim", "ndim")


def expression_at(line: SourceLine | None, place: Extent) -> ast.expr | None:
    """Give the expression that stands at a place of a file."""
    if line is None or None in place:
        return None
    for node in nodes_of(line.file):
        if isinstance(node, ast.expr) and place == (
            node.lineno,
            node.end_lineno,
            node.col_offset,
            node.end_col_offset,
        ):
            return node
    return None


def argument_at(call: ast.expr | None, index: int) -> ast.expr | None:
    """Give an argument of a call, in a tuple or not; None behind a ``*``."""
    if not isinstance(call, ast.Call):
        return None
    given = call.args
    if len(given) == 1 and isinstance(given[0], (ast.Tuple, ast.List)):
        given = given[0].elts
    if index >= len(given) or any(isinstance(g, ast.Starred) for g in given):
        return None
    return given[index]


def operands(node: ast.expr) -> tuple[ast.expr, ast.expr] | None:
    """Give both sides of ``a == b``, ``a - b``, ``a.eq(b)``."""
    if isinstance(node, ast.Compare) and len(node.comparators) == 1:
        return node.left, node.comparators[0]
    if isinstance(node, ast.BinOp):
        return node.left, node.right
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        given = [*node.args, *(keyword.value for keyword in node.keywords)]
        return (node.func.value, given[0]) if given else None
    return None


def sources_of(line: SourceLine | None, node: ast.expr) -> Iterator[ast.expr]:
    """Give an expression, and what its names are given in its function or by calls."""
    yield node
    if line is None:
        return
    parents = parents_in(line.file)
    names = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
    scope = _scope(parents, node)
    for each in ast.walk(scope):
        if isinstance(each, ast.Assign):
            given = {t.id for t in each.targets if isinstance(t, ast.Name)}
            if given & names:
                yield each.value
    if isinstance(scope, FUNCTIONS):
        for each in parents:
            if isinstance(each, ast.Call) and last_name(each.func) == scope.name:
                yield from each.args
                yield from (keyword.value for keyword in each.keywords)


def gets_dimension(node: ast.expr | None) -> bool:
    """Tell an expression whose last steps give a tensor another dimension.

    What is inside of other calls, as in ``model(x.view(n, 9))``, is none of it.
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
    """Tell whether an expression becomes one number, and serves nothing else."""
    return line is not None and _is_averaged(parents_in(line.file), node, set())


def _is_averaged(parents: Tree, node: ast.AST, done: set[ast.AST]) -> bool:
    """Follow an expression outwards."""
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
            is_multiple = any(isinstance(e, ast.Constant) for e in _sides(outer))
            outer = outer if is_scaled or is_multiple else None
        elif not isinstance(outer, (ast.UnaryOp, ast.Compare)):
            outer = None
        if outer is None:
            return False
        node = outer
    return True


def _are_uses_averaged(parents: Tree, made: ast.AST, done: set[ast.AST]) -> bool:
    """Follow a name that is given to an expression."""
    targets = made.targets if isinstance(made, ast.Assign) else [_target(made)]
    target = targets[0]
    if len(targets) != 1 or not isinstance(target, ast.Name):
        return False
    uses = [
        each
        for each in ast.walk(_scope(parents, made))
        if isinstance(each, ast.Name)
        and each.id == target.id
        and isinstance(each.ctx, ast.Load)
    ]
    counted = [use for use in uses if not _is_size(parents, use)]
    return bool(counted) and all(_is_averaged(parents, use, done) for use in counted)


def _target(made: ast.AST) -> ast.AST | None:
    return made.target if isinstance(made, (ast.AnnAssign, ast.NamedExpr)) else None


def _scope(parents: Tree, node: ast.AST) -> ast.AST:
    while (outer := parents.get(node)) is not None:
        if isinstance(outer, (*FUNCTIONS, ast.Lambda)):
            return outer
        node = outer
    return node


def _is_size(parents: Tree, use: ast.AST) -> bool:
    outer = parents.get(use)
    if isinstance(outer, ast.Attribute):
        return outer.attr in SIZES
    return isinstance(outer, ast.Call) and last_name(outer.func) == "len"


def _has_dim(call: ast.Call) -> bool:
    return any(keyword.arg != "dtype" for keyword in call.keywords)


def _sides(node: ast.BinOp) -> Iterator[ast.expr]:
    yield node.left
    yield node.right
