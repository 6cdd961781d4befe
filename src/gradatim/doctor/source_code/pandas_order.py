"""What a script does to tables of pandas: a target taken before rows change places."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from gradatim.doctor.source_code.syntax import FUNCTIONS, assigns

__all__ = ["Misaligned", "misaligned"]

REORDER = {"sort_values", "sort_index", "sample"}
ALIGNS = {"loc", "reindex", "index", "concat", "merge", "join", "map"}
"""Names that put rows together by their labels."""


@dataclass(frozen=True)
class Misaligned:
    """A target of before, beside rows of after."""

    target: str
    frame: str
    taken: int
    """Lines: where the target is taken, and where the rows change places."""
    reordered: int
    how: str


def misaligned(tree: ast.Module) -> Iterator[Misaligned]:
    r"""Find targets that are taken from a table whose rows then change places.

    >>> source = "y = df.pop('a')\ndf = df.sort_values('b')\ntrain(df.values, y)"
    >>> [found.reordered for found in misaligned(ast.parse(source))]
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


def _in_scope(statements: list[ast.stmt]) -> Iterator[Misaligned]:
    for place, node in enumerate(statements):
        taken = _taken(node)
        if taken is None:
            continue
        target, frame = taken
        for later, other in enumerate(statements[place + 1 :], place + 1):
            how = _reorders(other, frame)
            if how is None:
                if assigns(other, target) or assigns(other, frame):
                    break
                continue
            rest = statements[later + 1 :]
            if _is_used_by_place(rest, target) and any(_reads(n, frame) for n in rest):
                yield Misaligned(target, frame, node.lineno, other.lineno, how)
            break


def _taken(node: ast.stmt) -> tuple[str, str] | None:
    """Tell ``y = df["price"]`` and ``y = df.pop("price").to_numpy()``."""
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


def _reorders(node: ast.stmt, frame: str) -> str | None:
    """Tell whether a table's rows change places, under its own name."""
    value = node.value if isinstance(node, (ast.Assign, ast.Expr)) else None
    calls = [n for n in ast.walk(value) if isinstance(n, ast.Call)] if value else []
    for call in calls:
        if not isinstance(call.func, ast.Attribute) or call.func.attr not in REORDER:
            continue
        owner = call.func.value
        if not isinstance(owner, ast.Name) or owner.id != frame:
            continue
        in_place = any(
            k.arg == "inplace" and isinstance(k.value, ast.Constant) and k.value.value
            for k in call.keywords
        )
        if in_place or (isinstance(node, ast.Assign) and assigns(node, frame)):
            return call.func.attr
    return None


def _reads(node: ast.stmt, name: str) -> bool:
    return any(isinstance(n, ast.Name) and n.id == name for n in ast.walk(node))


def _is_used_by_place(statements: list[ast.stmt], target: str) -> bool:
    """Tell whether a target is used, and never put together by its rows' labels."""
    uses = [node for node in statements if _reads(node, target)]
    for node in uses:
        names = {n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute)}
        is_column = isinstance(node, ast.Assign) and any(
            isinstance(t, ast.Subscript) for t in node.targets
        )
        if names & ALIGNS or is_column:
            return False
    return bool(uses)
