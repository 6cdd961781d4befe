"""A file is parsed once; a line knows the function around it."""

import ast
import time
from concurrent.futures import ThreadPoolExecutor

from gradatim.doctor.source_code.syntax import (
    assigns,
    called_method,
    nodes_around,
    parents_in,
    tree_of,
)
from gradatim.watching import SourceLine

SOURCE = """\
a = 1
def outer():
    b = 2
    def inner():
        c = 3
    return b
"""


def written(tmp_path, source=SOURCE):
    path = tmp_path / "train.py"
    path.write_text(source)
    return str(path)


def names_around(file, number):
    nodes = nodes_around(SourceLine(file, number), ast.Name)
    return {node.id for node in nodes}


def test_the_innermost_function_around_a_line(tmp_path):
    file = written(tmp_path)
    assert names_around(file, 5) == {"c"}
    assert names_around(file, 3) == {"b", "c"}
    assert names_around(file, 1) == {"a", "b", "c"}
    assert list(nodes_around(None, ast.AST)) == []


def test_a_file_is_parsed_once(tmp_path):
    file = written(tmp_path)
    assert tree_of(file) is tree_of(file)
    assert set(parents_in(file)) == set(ast.walk(tree_of(file))) - {tree_of(file)}


def test_what_cannot_be_read_or_parsed_is_empty(tmp_path):
    for file in (written(tmp_path, "def (:\n"), str(tmp_path / "none.py")):
        assert tree_of(file).body == [] and parents_in(file) == {}


def test_methods_and_assignments():
    append, call, assignment = ast.parse("x.append(1)\nappend(1)\nx = y = 1").body
    assert called_method(append.value) == "append"
    assert called_method(call.value) == called_method(assignment) == ""
    assert assigns(assignment, "x") and assigns(assignment, "y")
    assert not assigns(assignment, "z") and not assigns(append, "x")


def test_two_threads_do_not_parse_at_once(tmp_path, monkeypatch):
    """Python 3.11 counts the depth of its parser in one place for all of them."""
    parse, at_once, most = ast.parse, [], []

    def counted(source):
        at_once.append(source)
        most.append(len(at_once))
        time.sleep(0.01)
        at_once.pop()
        return parse(source)

    monkeypatch.setattr(ast, "parse", counted)
    files = [tmp_path / f"{number}.py" for number in range(4)]
    for number, file in enumerate(files):
        file.write_text(f"at_once_{number} = 1\n")
    with ThreadPoolExecutor(4) as pool:
        trees = list(pool.map(tree_of, map(str, files)))
    assert [tree.body[0].targets[0].id[-1] for tree in trees] == list("0123")
    assert most == [1, 1, 1, 1]
