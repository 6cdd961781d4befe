"""What moves the rows of a pandas table: a target taken before they change places."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from gradatim.doctor.source_code.syntax import FUNCTIONS, assigns

__all__ = ["MisalignedTarget", "misaligned_targets"]

REORDERS = {"sort_values", "sort_index", "sample"}
"""Methods of a table that put its rows into another order."""
ALIGNS = {"loc", "reindex", "index", "concat", "merge", "join", "map"}
"""Names that put rows together by their labels, whatever their order is."""


@dataclass(frozen=True)
class MisalignedTarget:
    """A target in the order that its table had before."""

    target: str
    table: str
    taken_in_line: int
    """The line number where the target is taken from the table."""
    reordered_in_line: int
    """The line number where the rows of the table change places."""
    method: str
    """The method that moves them, such as ``sort_values``."""


def misaligned_targets(tree: ast.Module) -> Iterator[MisalignedTarget]:
    r"""Find targets that are taken from a table whose rows then change places.

    >>> source = "y = df.pop('a')\ndf = df.sort_values('b')\ntrain(df.values, y)"
    >>> [order.reordered_in_line for order in misaligned_targets(ast.parse(source))]
    [2]
    """
    scopes: list[ast.Module | ast.FunctionDef] = [tree]
    scopes += [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    for scope in scopes:
        yield from _in_scope(list(_statements(scope.body)))


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Give statements in order, those of inner functions left out."""
    for node in body:
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            continue
        yield node
        for name in ("body", "orelse", "finalbody"):
            yield from _statements(getattr(node, name, []))


def _in_scope(statements: list[ast.stmt]) -> Iterator[MisalignedTarget]:
    for place, node in enumerate(statements, 1):
        names = _target_and_table(node)
        if names is None:
            continue
        target, table = names
        for later, other in enumerate(statements[place:], place + 1):
            method = _reordering_method(other, table)
            if method is not None:
                rest = statements[later:]
                has_table = any(_reads(statement, table) for statement in rest)
                if has_table and _is_used_by_place(rest, target):
                    yield MisalignedTarget(
                        target, table, node.lineno, other.lineno, method
                    )
                break
            if assigns(other, target) or assigns(other, table):
                break


def _target_and_table(node: ast.stmt) -> tuple[str, str] | None:
    """Give ``y`` and ``df`` of ``y = df["price"]``, ``y = df.pop("price").to_numpy()``.

    None for a statement that takes no column of a table.
    """
    if not isinstance(node, ast.Assign) or len(node.targets) != 1:
        return None
    target, value = node.targets[0], node.value
    if not isinstance(target, ast.Name):
        return None
    while True:
        if isinstance(value, ast.Subscript):
            key, owner = value.slice, value.value
            is_column = isinstance(key, ast.Constant) and isinstance(key.value, str)
            return (
                (target.id, owner.id)
                if is_column and isinstance(owner, ast.Name)
                else None
            )
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
            owner = value.func.value
            if value.func.attr == "pop" and isinstance(owner, ast.Name):
                is_text = bool(value.args) and isinstance(value.args[0], ast.Constant)
                return (target.id, owner.id) if is_text else None
            value = owner
        elif isinstance(value, ast.Attribute):
            value = value.value
        else:
            return None


def _reordering_method(node: ast.stmt, table: str) -> str | None:
    """Give the method that moves the rows of a table which keeps its name."""
    value = node.value if isinstance(node, (ast.Assign, ast.Expr)) else None
    calls = [n for n in ast.walk(value) if isinstance(n, ast.Call)] if value else []
    for call in calls:
        if not isinstance(call.func, ast.Attribute) or call.func.attr not in REORDERS:
            continue
        owner = call.func.value
        if not isinstance(owner, ast.Name) or owner.id != table:
            continue
        in_place = any(
            k.arg == "inplace" and isinstance(k.value, ast.Constant) and k.value.value
            for k in call.keywords
        )
        if in_place or (isinstance(node, ast.Assign) and assigns(node, table)):
            return call.func.attr
    return None


def _reads(node: ast.stmt, name: str) -> bool:
    return any(isinstance(n, ast.Name) and n.id == name for n in ast.walk(node))


def _is_used_by_place(statements: list[ast.stmt], target: str) -> bool:
    """Tell whether a target is used, and never matched with rows by their labels."""
    uses = [node for node in statements if _reads(node, target)]
    for node in uses:
        names = {n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute)}
        is_column = isinstance(node, ast.Assign) and any(
            isinstance(t, ast.Subscript) for t in node.targets
        )
        if names & ALIGNS or is_column:
            return False
    return bool(uses)
