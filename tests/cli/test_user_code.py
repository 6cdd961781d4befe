import json
import sys
from pathlib import Path

import pytest

from gradatim.cli.user_code import load_factory
from gradatim.errors import ConfigError


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
