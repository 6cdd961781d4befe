"""Source of ours as a lesson shows it: what runs, without types and comments."""

import ast
import inspect
import textwrap
from typing import Any

import marimo as mo

__all__ = ["bare_source", "shown_bare"]


def bare_source(thing: Any) -> str:
    """Give the source of a function or class, without docstrings, types, comments.

    >>> from gradatim.ladder.rung_10_nested import LayerLine
    >>> print(bare_source(LayerLine))
    class LayerLine(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(1, 1)
            self.unused = nn.Linear(1, 1)
    <BLANKLINE>
        def forward(self, x):
            predictions = self.linear(x)
            return predictions
    """
    tree = ast.parse(textwrap.dedent(inspect.getsource(thing)))
    return ast.unparse(_Barer().visit(tree)).replace(":\n\n", ":\n")


def shown_bare(thing: Any) -> Any:
    """Show :func:`bare_source` in a chapter."""
    return mo.md(f"```python\n{bare_source(thing)}\n```")


class _Barer(ast.NodeTransformer):
    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns, node.decorator_list = None, []
        arguments = node.args
        for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
            each.annotation = None
        return self._without_docstring(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.bases = [
            b.value if isinstance(b, ast.Subscript) else b for b in node.bases
        ]
        return self._without_docstring(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if node.value is None:
            return node
        return ast.copy_location(ast.Assign([node.target], node.value), node)

    def _without_docstring(self, node: ast.FunctionDef | ast.ClassDef) -> ast.AST:
        if ast.get_docstring(node) is not None and len(node.body) > 1:
            node.body = node.body[1:]
        return self.generic_visit(node)
