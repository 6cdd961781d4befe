"""Imports point one way; nothing imports what is to its right."""

import ast
from functools import cache
from pathlib import Path

import pytest

import gradatim

ROOT = Path(gradatim.__file__).parent

LAYERS = [
    {"errors", "torch_private"},
    {"text", "nested", "rows", "deferred", "interrupt", "plots", "rng", "nodes"}
    | {"signatures", "value_names", "world"},
    {"history", "threads", "store", "pages", "losses", "named_loss", "modules"},
    {"nonfinite", "precision", "outputs", "metrics"},
    {"graphs", "watching", "weighing"},
    {"forward", "engines", "step_checks"},
    {"step", "val_step", "data"},
    {"epoch"},
    {"hooks", "evaluation"},
    {"averages", "callbacks", "loggers", "progress", "schedule_checks"},
    {"beginning"},
    {"trainer", "lr_range"},
    {"trace"},
    {"doctor"},
    {"run"},
    {"tables"},
    {"loading"},
    {"ladder"},
    {"course"},
    {"cli"},
]
"""From left to right. A new folder or file needs its place here. Parts of one layer may
import each other, as long as that makes no cycle of files."""

LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}

INNER_LAYERS = {
    "tables": [
        {"files"},
        {"schema"},
        {"table", "features", "text_features"},
        {"model"},
        {"fit"},
        {"saved"},
    ],
}
"""The order within a part that has floors of its own, from left to right."""


def part_of(module):
    """``gradatim.data.line`` is of ``data``."""
    return module.split(".")[1]


LAZY = {"gradatim", "gradatim.data"}
"""Packages whose own file gathers what users import from them. Its imports are for type
checkers alone: the names are loaded when they are first used."""


def imports_of(source, package):
    """Find what a file imports of gradatim, also for types alone."""
    found = set()

    def visit(node):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base] if base else above)
            found.add(base)
            found.update(f"{base}.{alias.name}" for alias in node.names)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(source))
    return {name for name in found if name.split(".")[0] == "gradatim"}


@cache
def files():
    """Read what each file imports, once a test asks for it."""
    modules = {}
    for path in ROOT.rglob("*.py"):
        parts = ("gradatim", *path.relative_to(ROOT).with_suffix("").parts)
        is_package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if is_package else parts)
        package = name if is_package else ".".join(parts[:-1])
        modules[name] = imports_of(path.read_text(encoding="utf-8"), package)
    return modules


def without_lazy(graph):
    return {name: imports for name, imports in graph.items() if name not in LAZY}


def graph_of_files():
    return {
        name: {other for other in imports if other in files() and other != name}
        for name, imports in files().items()
    }


def wrong_arrows(graph):
    """Give the imports that go to the right."""
    return [
        f"{name} imports {other}"
        for name, imports in sorted(graph.items())
        for other in sorted(imports)
        if name.count(".") and other.count(".")
        if LEVEL[part_of(other)] > LEVEL[part_of(name)]
    ]


def wrong_inner_arrows(graph, part):
    """Give the imports within one part that go to the right."""
    level = {n: place for place, names in enumerate(INNER_LAYERS[part]) for n in names}
    within = f"gradatim.{part}."
    return [
        f"{name} imports {other}"
        for name, imports in sorted(graph.items())
        for other in sorted(imports)
        if name.startswith(within) and other.startswith(within)
        if level[other.split(".")[2]] > level[name.split(".")[2]]
    ]


def cycle_in(graph):
    """Give one cycle of files, or None."""
    done, path = set(), []

    def visit(name):
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return None
        path.append(name)
        for other in sorted(graph.get(name, ())):
            if found := visit(other):
                return found
        path.pop()
        done.add(name)
        return None

    for name in sorted(graph):
        if found := visit(name):
            return found
    return None


def test_every_part_has_its_place():
    parts = {part_of(name) for name in files() if name.count(".")}
    assert parts == set(LEVEL), parts ^ set(LEVEL)


def test_nothing_imports_what_is_to_its_right():
    assert wrong_arrows(without_lazy(graph_of_files())) == []


def test_parts_of_a_part_have_their_places():
    for part, layers in INNER_LAYERS.items():
        inner = {
            name.split(".")[2]
            for name in files()
            if name.count(".") >= 2
            if part_of(name) == part
        }
        assert inner == set().union(*layers)


@pytest.mark.parametrize("part", INNER_LAYERS)
def test_nothing_within_a_part_imports_what_is_to_its_right(part):
    assert wrong_inner_arrows(graph_of_files(), part) == []


def test_no_cycle():
    # A package's own file names its parts; they reach each other directly.
    inner = {
        name: {other for other in imports if not name.startswith(f"{other}.")}
        for name, imports in without_lazy(graph_of_files()).items()
    }
    assert cycle_in(inner) is None


def test_the_core_is_in_the_graph():
    assert "gradatim.step" in graph_of_files()["gradatim.trainer"]
    assert "gradatim.hooks" in graph_of_files()["gradatim.callbacks"]


@pytest.mark.parametrize(
    "graph",
    [
        {"gradatim.step": {"gradatim.trainer"}},
        {"gradatim.data.line": {"gradatim.run.session"}},
    ],
)
def test_a_wrong_arrow_is_seen(graph):
    assert len(wrong_arrows(graph)) == 1


def test_a_wrong_inner_arrow_is_seen():
    graph = {"gradatim.tables.files.csv": {"gradatim.tables.schema.columns"}}
    assert len(wrong_inner_arrows(graph, "tables")) == 1


def test_a_cycle_is_seen():
    assert cycle_in({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert cycle_in({"a": {"b", "c"}, "b": {"c"}, "c": set()}) is None


def test_imports_are_found_wherever_they_stand():
    source = """
from typing import TYPE_CHECKING
import torch, gradatim.step
from gradatim.data import line
from . import callbacks
if TYPE_CHECKING:
    from gradatim.trainer import Trainer
def later():
    from gradatim.run import session
"""
    assert imports_of(source, "gradatim.ladder") == {
        "gradatim.step",
        "gradatim.data",
        "gradatim.data.line",
        "gradatim.ladder",
        "gradatim.ladder.callbacks",
        "gradatim.trainer",
        "gradatim.trainer.Trainer",
        "gradatim.run",
        "gradatim.run.session",
    }
