"""Expressions are found by where they stand, and followed to what becomes of them."""

import ast

import pytest

from gradatim.doctor.source_code.expressions import (
    argument_at,
    expression_at,
    gets_dimension,
    is_averaged,
    operands,
    sources_of,
)
from gradatim.watching import SourceLine


def line_and_node(tmp_path, source, part):
    """Write a file; give its line and the expression that reads as ``part``."""
    path = tmp_path / f"program_{len(list(tmp_path.iterdir()))}.py"
    path.write_text(source)
    node = next(
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.expr) and ast.unparse(node) == part
    )
    line = SourceLine(str(path), node.lineno)
    place = (node.lineno, node.end_lineno, node.col_offset, node.end_col_offset)
    node = expression_at(line, place)
    assert node is not None and ast.unparse(node) == part
    return line, node


@pytest.mark.parametrize(
    "source",
    [
        "(p == y).sum()",
        "(p == y).float().mean().item()",
        "print(torch.mean(torch.abs(p == y)))",
        "((p == y) ** 2).mean() ** 0.5",
        "((p == y).abs() < 0.1).float().mean(dtype=float)",
        "np.mean((p == y).cpu().numpy())",
        "def f(p, y):\n    hits = (p == y).float()\n    return hits.sum() / len(hits)",
        "right = p == y\nright = right.float()\nprint(right.mean(), right.shape)",
        "100 * (p == y).float().mean()",
    ],
)
def test_averaged(tmp_path, source):
    assert is_averaged(*line_and_node(tmp_path, source, "p == y"))


@pytest.mark.parametrize(
    "source",
    [
        "p == y",
        "(p == y).sum(dim=1)",
        "(p == y).sum(1).float().mean()",
        "(p == y).float().mean(0)",
        "((p == y) * weights).sum()",
        "mask = p == y\nprint(mask.sum(), (mask * z).sum())",
        "def f(p, y):\n    return p == y",
        "(p == y)[rows].float().mean()",
        "both.append(p == y)",
        "a = b = p == y\nprint(a.sum())",
        "sum(p == y)",
        "total += p == y",
        "(p == y).T",
        "kernel((p == y).float()).mean()",
    ],
)
def test_not_averaged(tmp_path, source):
    assert not is_averaged(*line_and_node(tmp_path, source, "p == y"))


def test_arguments(tmp_path):
    for part in ("x.view(a, b * 2)", "x.view((a, b * 2))", "x.view([a, b * 2])"):
        _, node = line_and_node(tmp_path, f"y = (\n    {part}\n)", part)
        argument = argument_at(node, 1)
        assert argument is not None and ast.unparse(argument) == "b * 2"
        assert argument_at(node, 2) is None
    _, node = line_and_node(tmp_path, "x.view(*sizes, 2)", "x.view(*sizes, 2)")
    assert argument_at(node, 1) is None
    assert argument_at(None, 0) is None


def test_what_cannot_be_read(tmp_path):
    path = tmp_path / "broken.py"
    path.write_text("def (:\n")
    assert expression_at(SourceLine(str(path), 1), (1, 1, 0, 3)) is None
    assert expression_at(SourceLine(str(tmp_path / "none.py"), 1), (1, 1, 0, 3)) is None
    assert expression_at(None, (1, 1, 0, 3)) is None
    assert expression_at(SourceLine(str(path), 1), (None, None, None, None)) is None


@pytest.mark.parametrize(
    "source",
    [
        "x.unsqueeze(1)",
        "x[:, None]",
        "torch.sigmoid(x[:, None]) > 0.5",
        "torch.unsqueeze(x, 1).float()",
        "x.view(-1, 1)[rows].cpu()",
        "x.T",
    ],
)
def test_dimension_given(source):
    assert gets_dimension(ast.parse(source, mode="eval").body)


@pytest.mark.parametrize(
    "source",
    ["x", "model(x.view(9, 1))", "self.net(x[:, None])", "torch.round(p)", "p[:, :1]"],
)
def test_no_dimension_given(source):
    assert not gets_dimension(ast.parse(source, mode="eval").body)


def test_operands():
    for source in ("p == y", "p - y", "p.eq(y)", "p.eq(other=y)"):
        sides = operands(ast.parse(source, mode="eval").body)
        assert sides is not None and [ast.unparse(s) for s in sides] == ["p", "y"]
    for source in ("p", "a == b == c", "p.eq()", "eq(p, y)"):
        assert operands(ast.parse(source, mode="eval").body) is None


def test_sources_of_names(tmp_path):
    source = (
        "def f(p, y):\n    p = p.float()\n    return (p == y).sum()\nf(a, y=b[0])\n"
    )
    line, node = line_and_node(tmp_path, source, "p == y")
    sources = {ast.unparse(source) for source in sources_of(line, node.left)}
    assert sources == {"p", "p.float()", "a", "b[0]"}
    assert [ast.unparse(s) for s in sources_of(None, node.left)] == ["p"]
