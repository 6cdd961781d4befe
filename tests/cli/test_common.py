import json
import math
import sys
from pathlib import Path

import pytest

from gradatim.cli.common import (
    format_score,
    load_factory,
    print_json,
    print_notices,
    print_table,
)
from gradatim.errors import ConfigError


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (1.0, "1"),
        (0.96491, "0.9649"),
        (-12345.6, "-1.235e+04"),
        (None, "-"),
        (math.nan, "-"),
        (math.inf, "inf"),
    ],
)
def test_scores_have_four_digits(value, text):
    assert format_score(value) == text


def test_json_is_strict_and_readable(capsys):
    print_json({"a": [math.nan, 1.5], "ö": None})
    told = capsys.readouterr().out
    assert json.loads(told) == {"a": [None, 1.5], "ö": None}
    assert "ö" in told


def test_notes_go_to_standard_error(capsys):
    print_notices(["a", "b"])
    assert capsys.readouterr() == ("", "note: a\nnote: b\n")


def test_a_table_is_cut_nowhere_off_a_terminal(capsys):
    print_table(["name", "value"], [["x" * 500, "1"], ["[b]y[/b]", "20"]])
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("x" * 500)
    assert "[b]y[/b]" in lines[2]
    assert lines[1].rstrip().endswith(" 1") and lines[2].rstrip().endswith("20")


class TestLoadFactory:
    def test_none_is_none(self):
        assert load_factory(None) is None

    def test_a_file_gives_its_function(self, tmp_path):
        Path(tmp_path, "a b.py").write_text("def make(n, m): return n + m")
        before = list(sys.path)
        assert load_factory(f"{tmp_path}/a b.py:make")(1, 2) == 3
        assert sys.path == before

    def test_a_class_of_the_file_finds_its_module(self, tmp_path):
        text = "import dataclasses\n@dataclasses.dataclass\nclass Made:\n    n: 'int'\n"
        Path(tmp_path, "json.py").write_text(text)
        assert load_factory(f"{tmp_path}/json.py:Made")(1).n == 1
        assert sys.modules["json"] is json

    def test_a_module_gives_its_function(self):
        assert load_factory("math:hypot")(3, 4) == 5

    def test_sys_path_is_put_back_after_an_error(self, tmp_path):
        Path(tmp_path, "bad.py").write_text("raise KeyError('x')")
        before = list(sys.path)
        with pytest.raises(ConfigError, match=r"bad\.py fails: KeyError: 'x'"):
            load_factory(f"{tmp_path}/bad.py:make")
        assert sys.path == before
