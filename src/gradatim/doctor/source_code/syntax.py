"""The syntax tree of a file of the user's, and the names in it."""

import ast
import functools
import linecache
import threading
from collections.abc import Iterator
from typing import TypeVar

from gradatim.watching import SourceLine

__all__ = [
    "FUNCTIONS",
    "assigns",
    "called_method",
    "last_name",
    "nodes_around",
    "nodes_in",
    "nodes_of",
    "parents_in",
    "tree_of",
]

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
Node = TypeVar("Node", bound=ast.AST)


def tree_of(file: str) -> ast.Module:
    """Parse a file; one that cannot be read or parsed has an empty tree."""
    return _parsed("".join(linecache.getlines(file)))


@functools.lru_cache(maxsize=32)
def _parsed(source: str) -> ast.Module:
    try:
        with _PARSING:
            return ast.parse(source)
    except (SyntaxError, ValueError, SystemError):  # the last: see _PARSING
        return ast.Module(body=[], type_ignores=[])


_PARSING = threading.Lock()
"""Keeps two threads from parsing at once. Up to Python 3.11, ``ast.parse`` counts how
deep it is in one place for all threads, and raises ``SystemError`` where that is off (a
parser of the user's own may do that to ours)."""


def parents_in(file: str) -> dict[ast.AST, ast.AST]:
    """Give for each node of a file the node that it is part of."""
    return _parents_in(tree_of(file))


@functools.lru_cache(maxsize=32)
def _parents_in(tree: ast.Module) -> dict[ast.AST, ast.AST]:
    return {
        child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)
    }


def nodes_in(tree: ast.AST, *kinds: type[Node]) -> Iterator[Node]:
    """Give the nodes of some kinds in a tree, its own root included."""
    return (node for node in ast.walk(tree) if isinstance(node, kinds))


def nodes_of(file: str, *kinds: type[Node]) -> Iterator[Node]:
    """Give the nodes of some kinds in a file."""
    return nodes_in(tree_of(file), *kinds)


def nodes_around(line: SourceLine | None, *kinds: type[Node]) -> Iterator[Node]:
    """Give nodes of the innermost function around a line, else of its whole file.

    Without a line there are none.
    """
    if line is None:
        return
    innermost: ast.AST = tree_of(line.file)
    for function in nodes_in(innermost, *FUNCTIONS):
        if function.lineno <= line.number <= (function.end_lineno or 0):
            innermost = function
    yield from nodes_in(innermost, *kinds)


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
