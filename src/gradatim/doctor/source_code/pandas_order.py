"""What moves the rows of a pandas table: a target taken before they change places."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from gradatim.doctor.source_code.syntax import FUNCTIONS, assigns, nodes_in

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
    functions = nodes_in(tree, ast.FunctionDef)
    for body in (tree.body, *(function.body for function in functions)):
        yield from _in_scope(list(_statements(body)))


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
    match node:
        case ast.Assign([ast.Name(target)], value):
            table = _table_of_column(value)
            return None if table is None else (target, table)
    return None


def _table_of_column(value: ast.expr) -> str | None:
    match value:
        case ast.Subscript(ast.Name(table), ast.Constant(str())):
            return table
        case ast.Call(ast.Attribute(ast.Name(table), "pop"), [ast.Constant(), *_]):
            return table
        case ast.Call(ast.Attribute(owner)) | ast.Attribute(owner):
            return _table_of_column(owner)
    return None


def _reordering_method(node: ast.stmt, table: str) -> str | None:
    """Give the method that moves the rows of a table which keeps its name."""
    if not isinstance(node, (ast.Assign, ast.Expr)):
        return None
    for call in nodes_in(node.value, ast.Call):
        match call.func:
            case ast.Attribute(ast.Name(owner), method) if owner == table:
                given = [k.value for k in call.keywords if k.arg == "inplace"]
                in_place = any(isinstance(v, ast.Constant) and v.value for v in given)
                if method in REORDERS and (in_place or assigns(node, table)):
                    return method
    return None


def _reads(node: ast.stmt, name: str) -> bool:
    return any(part.id == name for part in nodes_in(node, ast.Name))


def _is_used_by_place(statements: list[ast.stmt], target: str) -> bool:
    """Tell whether a target is used, and never matched with rows by their labels."""
    uses = [node for node in statements if _reads(node, target)]
    for node in uses:
        names = {attribute.attr for attribute in nodes_in(node, ast.Attribute)}
        targets = node.targets if isinstance(node, ast.Assign) else []
        is_column = any(isinstance(target, ast.Subscript) for target in targets)
        if names & ALIGNS or is_column:
            return False
    return bool(uses)
