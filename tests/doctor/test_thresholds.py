"""Each number of the doctor and of its watch says in one line where it comes from."""

import ast
from pathlib import Path

import pytest

import gradatim

ROOT = Path(gradatim.__file__).parent
FILES = sorted([*(ROOT / "doctor").rglob("*.py"), *(ROOT / "watching").rglob("*.py")])
SAYS_NOTHING = {"ENOUGH", "FEW", "LARGE", "LITTLE", "MANY", "MOST", "SHARE", "SMALL"}


def is_number(node):
    if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
        return bool(node.elts) and all(map(is_number, node.elts))
    if isinstance(node, ast.BinOp):
        return is_number(node.left) and is_number(node.right)
    if isinstance(node, ast.UnaryOp):
        return is_number(node.operand)
    return isinstance(node, ast.Constant) and type(node.value) in (int, float)


def names_of(node):
    """Give the names in capitals that a statement gives numbers to."""
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AnnAssign) and node.value is not None:
        targets = [node.target]
    else:
        return []
    names = [n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)]
    return (
        [n for n in names if n.lstrip("_").isupper()] if is_number(node.value) else []
    )


def faults_of(source):
    """Say of each numeric constant of a file what it lacks."""
    lines = source.splitlines()
    body = ast.parse(source).body
    faults = []
    for node, after in zip(body, [*body[1:], None], strict=True):
        names = names_of(node)
        if not names:
            continue
        if len(names) > 1:
            faults.append(f"{', '.join(names)}: one constant a line")
        if SAYS_NOTHING & set(names):
            faults.append(f"{names[0]}: the name does not say of what")
        has_docstring = isinstance(after, ast.Expr) and isinstance(
            getattr(after.value, "value", None), str
        )
        above = lines[node.lineno - 2].lstrip() if node.lineno > 1 else ""
        has_comment = "#" in lines[node.end_lineno - 1] or above.startswith("#")
        if not has_docstring and not has_comment:
            faults.append(f"{', '.join(names)}: no word of where it comes from")
    return faults


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_each_number_has_its_reason(path):
    assert faults_of(path.read_text()) == []


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("MIN_STEPS = 3\n", "no word"),
        ("A, B = 1, 2  # why\n", "one constant a line"),
        ("ENOUGH = 3  # why\n", "does not say"),
        ("LOW = 1 / 200\nHIGH = 2  # why\n", "no word"),
        ("EPOCHS = (1, 10)\n", "no word"),
    ],
)
def test_what_is_missing_is_seen(source, fault):
    assert fault in str(faults_of(source))


@pytest.mark.parametrize(
    "source",
    [
        "MIN_STEPS = 3  # chosen by hand, not measured\n",
        'MIN_STEPS = 3\n"""Chosen by hand, not measured."""\n',
        "# Chosen by hand, not measured.\nMIN_STEPS = 3\n",
        'NAMES = ("a", "b")\n',
    ],
)
def test_what_is_said_is_enough(source):
    assert faults_of(source) == []
