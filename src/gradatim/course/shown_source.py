"""The source of a function or class as a chapter shows it: without types."""

import ast
import inspect
import textwrap
from typing import Any

import marimo as mo

__all__ = ["bare_source", "program_source", "shown_bare", "shown_program"]


def bare_source(function: Any) -> str:
    """Give the source of a function or class without docstrings, types and comments.

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
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    return ast.unparse(_Barer().visit(tree)).replace(":\n\n", ":\n")


def shown_bare(function: Any) -> Any:
    """Show :func:`bare_source` in a chapter."""
    return mo.md(f"```python\n{bare_source(function)}\n```")


def program_source(function: Any) -> str:
    """Give the source of a function with its comments, without docstring and types.

    >>> from gradatim.course.ch03_numpy.shows import train
    >>> print(program_source(train).splitlines()[0])
    def train(x, y, a, b, lr, epochs):
    """
    text = textwrap.dedent(inspect.getsource(function))
    node = ast.parse(text).body[0]
    if not isinstance(node, ast.FunctionDef):
        raise TypeError(f"{function!r} is not a function.")
    first = node.body[0]
    lines = text.splitlines()[first.lineno - 1 :]
    if ast.get_docstring(node) is not None:
        lines = lines[(first.end_lineno or first.lineno) - first.lineno + 1 :]
    head = _Barer().visit(node)
    head.body = [ast.Pass()]
    return "\n".join([ast.unparse(head).splitlines()[0], *lines])


def shown_program(function: Any) -> Any:
    """Show :func:`program_source` in a chapter whose lesson is in the comments, too."""
    return mo.md(f"```python\n{program_source(function)}\n```")


class _Barer(ast.NodeTransformer):
    """Removes types, decorators and docstrings from a syntax tree."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns, node.decorator_list = None, []
        every = node.args
        for argument in (*every.posonlyargs, *every.args, *every.kwonlyargs):
            argument.annotation = None
        return self._without_docstring(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.bases = [
            base.value if isinstance(base, ast.Subscript) else base
            for base in node.bases
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
