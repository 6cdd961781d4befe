"""Nothing in the package can run what a file says: seen in its source."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "gradatim"
FILES = {path.relative_to(SOURCE).as_posix(): path for path in SOURCE.rglob("*.py")}

MODULES = {
    "_pickle",
    "cPickle",
    "cloudpickle",
    "code",
    "copyreg",
    "dill",
    "joblib",
    "jsonpickle",
    "marshal",
    "pickle",
    "runpy",
    "shelve",
    "yaml",
}
"""They run code while they read, or as their work."""

OF_TORCH = {"hub", "jit", "load", "package", "save", "serialization"}
"""They read and write pickles, or fetch code."""

CALLS = {"__builtins__", "__import__", "compile", "eval", "exec"}
OF_OBJECTS = {"__reduce__", "__reduce_ex__", "__builtins__", "__globals__"}

IMPORTERS = {
    "__init__.py": "its own names, from the table _HOME",
    "cli/user_code.py": "what --model names",
    "cli/main.py": "a command of the table COMMANDS",
    "course/freeze.py": "what a chapter shows, files of its own folder",
    "course/exercise.py": "the exercises, files of its own folder",
    "data/__init__.py": "its own names, from the table _HOME",
    "doctor/pitfall.py": "the pitfalls, files of its own folder",
    "ladder/__init__.py": "a rung of the table",
}
"""Who imports by a name that is computed, and where that is from: never from a file."""

RUNNERS = {
    "course/ch06_autograd/shows.py": ["exec"],  # the attempts that a chapter shows
    "course/exercise.py": ["compile", "exec"],  # the answer that a learner has written
    "course/ch08_optimizers/shows.py": ["compile", "eval", "exec"],  # programs
    # A chapter, which is a file of its own folder, and single cells of it.
    "course/notebook.py": ["compile", "compile", "eval", "exec", "import of runpy"],
    "doctor/watch.py": ["import of runpy"],  # the script that is given to the doctor
}
"""Who runs code, by what: only what somebody has asked to be run, as Python would."""

READERS = [
    "loading.py",
    "run/checkpoint.py",
    "run/checkpoint_header.py",
    "run/config_file.py",
    "run/module_file.py",
    "run/putting_back.py",
    "store/checks.py",
    "store/json.py",
    "store/lines.py",
    "store/manifest.py",
    "store/pack.py",
    "store/tensors.py",
    "tables/saved/model_files.py",
    "tables/schema/schema.py",
    "tables/schema/stored.py",
]
"""Who has names from a file in hand: no attribute is looked up by a computed name."""


def faults_of(source, *, may_import=False, reads=False):
    """List what is forbidden in a module's source."""
    tree = ast.parse(source)
    torchs = names_of("torch", tree)
    found = []
    for node in ast.walk(tree):
        found += of_imports(node, may_import)
        found += of_names(node, torchs, may_import)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            found += of_lookups(node, torchs, reads)
    return found


def names_of(module, tree):
    """Give the names that a module has in another."""
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import)]
    aliases = [alias for node in imports for alias in node.names]
    return {module} | {a.asname for a in aliases if a.name == module and a.asname}


def of_imports(node, may_import):
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        names = [f"{node.module}.{alias.name}" for alias in node.names]
    else:
        return
    for name in names:
        first, second, *_ = [*name.split("."), ""]
        if (
            first in MODULES
            or (first == "torch" and second in OF_TORCH)
            or (first == "builtins")
            or (first == "importlib" and second != "metadata" and not may_import)
        ):
            yield f"import of {name}"


def of_names(node, torchs, may_import):
    if isinstance(node, ast.Name) and node.id in CALLS:
        yield node.id
    if isinstance(node, ast.keyword) and node.arg in ("allow_pickle", "weights_only"):
        yield node.arg
    if isinstance(node, ast.Attribute):
        is_torchs = isinstance(node.value, ast.Name) and node.value.id in torchs
        if node.attr in OF_OBJECTS or (is_torchs and node.attr in OF_TORCH):
            yield f".{node.attr}"


def of_lookups(call, torchs, reads):
    """``getattr`` and its like with a name that is forbidden, or that is computed."""
    if call.func.id in ("getattr", "setattr", "hasattr", "attrgetter"):
        names = [each for each in call.args[:2] if not isinstance(each, ast.Starred)]
        owner, name = names[0], names[-1]
        is_torchs = isinstance(owner, ast.Name) and owner.id in torchs
        if not isinstance(name, ast.Constant):
            if reads or is_torchs:
                yield f"{call.func.id} with a computed name"
        elif name.value in CALLS | OF_OBJECTS or (is_torchs and name.value in OF_TORCH):
            yield f"{call.func.id} of {name.value}"
    if call.func.id in ("globals", "locals") and reads:
        yield f"{call.func.id}()"


@pytest.mark.parametrize("name", FILES)
def test_no_source_can_run_what_a_file_says(name):
    source = FILES[name].read_text(encoding="utf-8")
    options = {"may_import": name in IMPORTERS, "reads": name in READERS}
    assert sorted(faults_of(source, **options)) == RUNNERS.get(name, [])


def test_the_exceptions_are_there():
    assert {*IMPORTERS, *READERS, *RUNNERS} <= set(FILES)
    for name in IMPORTERS:
        assert faults_of(FILES[name].read_text(encoding="utf-8")) != []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "import pickle as p",
        "import os, dill",
        "def f():\n    from joblib import load",
        "from _pickle import loads",
        "import shelve",
        "import marshal",
        "from copyreg import dispatch_table",
        "import torch\ntorch.load('x')",
        "import torch as t\nt.save({}, 'x')",
        "import torch\nload = torch.load",
        "from torch import load",
        "from torch.serialization import load",
        "import torch.hub",
        "import torch\ntorch.jit.load('x')",
        "import torch\ngetattr(torch, 'load')('x')",
        "import torch as t\ngetattr(t, 'lo' + 'ad')('x')",
        "import numpy as np\nnp.load('x', allow_pickle=True)",
        "import torch\nf(weights_only=False)",
        "eval('1')",
        "exec('x = 1')",
        "run = eval",
        "compile('1', '', 'eval')",
        "__import__('os')",
        "__builtins__['eval']",
        "import builtins",
        "getattr(x, '__reduce__')",
        "f.__globals__['os']",
        "import importlib\nimportlib.import_module('os')",
        "from importlib import import_module",
        "import importlib.util",
        "import runpy",
    ],
)
def test_what_is_forbidden_is_found(source):
    assert faults_of(source) != []


@pytest.mark.parametrize(
    "source",
    ["getattr(x, name)", "setattr(x, name, 1)", "globals()[name]", "hasattr(x, name)"],
)
def test_a_reader_looks_nothing_up(source):
    assert faults_of(source, reads=True) != []
    assert faults_of(source) == []


@pytest.mark.parametrize(
    "source",
    [
        "from importlib import metadata",
        "import torch\ntorch.compile(model)",
        "import re\nre.compile('x')",
        "model.eval()",
        "import torch\ntorch.nn.Linear(1, 1)",
        "import json\njson.load(file)",
        "getattr(os, 'O_NOFOLLOW', 0)",
        "from .pickle import x",
    ],
)
def test_what_is_harmless_is_left_alone(source):
    assert faults_of(source, reads=True) == []
