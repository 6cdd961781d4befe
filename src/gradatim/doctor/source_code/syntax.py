"""The syntax tree of a file of the user's, and the names in it."""

import ast
import functools
import linecache
from collections.abc import Iterator

from gradatim.watching import SourceLine

__all__ = [
    "FUNCTIONS",
    "assigns",
    "called_method",
    "last_name",
    "nodes_around",
    "nodes_of",
    "parents_in",
    "tree_of",
]

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def tree_of(file: str) -> ast.Module:
    """Parse a file; one that cannot be read or parsed has an empty tree."""
    return _parsed("".join(linecache.getlines(file)))


@functools.lru_cache(maxsize=32)
def _parsed(source: str) -> ast.Module:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError):
        return ast.Module(body=[], type_ignores=[])


def parents_in(file: str) -> dict[ast.AST, ast.AST]:
    """Give for each node of a file the node that it is part of."""
    return _parents_in(tree_of(file))


@functools.lru_cache(maxsize=32)
def _parents_in(tree: ast.Module) -> dict[ast.AST, ast.AST]:
    return {
        child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)
    }


def nodes_of(file: str) -> Iterator[ast.AST]:
    """Give all nodes of a file."""
    yield from ast.walk(tree_of(file))


def nodes_around(line: SourceLine | None) -> Iterator[ast.AST]:
    """Give the nodes of the innermost function around a line, else of its whole file.

    Without a line there are none.
    """
    if line is None:
        return
    innermost: ast.AST = tree_of(line.file)
    for node in ast.walk(innermost):
        if isinstance(node, FUNCTIONS) and (
            node.lineno <= line.number <= (node.end_lineno or 0)
        ):
            innermost = node
    yield from ast.walk(innermost)


def last_name(node: ast.AST) -> str:
    """Give ``mean`` for ``mean`` and for ``torch.mean``; else an empty string.

    >>> [last_name(ast.parse(s, mode="eval").body) for s in ("f", "a.b.f", "f(x)")]
    ['f', 'f', '']
    """
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def called_method(node: ast.AST) -> str:
    """Give ``append`` for ``losses.append(loss)``; empty for anything else."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.attr
    return ""


def assigns(node: ast.AST, name: str) -> bool:
    """Tell whether a statement is ``name = ...``."""
    targets = node.targets if isinstance(node, ast.Assign) else []
    return any(isinstance(t, ast.Name) and t.id == name for t in targets)
