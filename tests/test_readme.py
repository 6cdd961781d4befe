"""What the README shows is what happens."""

import contextlib
import io
import re
from pathlib import Path

import gradatim as gt
from gradatim.cli.main import COMMANDS

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_the_first_program_prints_what_the_readme_says():
    code, printed = re.search(
        r"```python\n(.*?)```\n\n```\n(.*?)```", README, re.S
    ).groups()
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(code, {})
    assert out.getvalue() == printed


def test_the_program_with_a_table_prints_what_the_readme_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    programs = re.findall(r"```python\n(.*?)```\n\n```\n(.*?)```", README, re.S)
    code, printed = programs[1]
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(f"import gradatim as gt\n{code}", {})
    assert out.getvalue() == printed
    assert gt.load("houses").schema.target.name == "price"


def test_every_command_of_the_readme_exists_and_the_reverse():
    assert set(re.findall(r"^gradatim (\w+)", README, re.M)) == set(COMMANDS)


def test_every_make_target_of_the_readme_exists():
    makefile = (Path(__file__).parents[1] / "Makefile").read_text()
    for target in re.findall(r"make (\w[\w-]*)", README):
        assert re.search(rf"^{target}:", makefile, re.M), target
