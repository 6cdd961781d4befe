"""The programs of docs/recipes.md, as they stand there."""

import re
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "recipes.md"
SECTION = re.compile(r"^## ([^\n]*)\n(.*?)(?=^## |\Z)", re.M | re.S)
PROGRAM = re.compile(r"^```python\n(.*?)^```\n\n^```\n(.*?)^```$", re.M | re.S)


@dataclass(frozen=True)
class Recipe:
    title: str
    code: str
    printed: str


def recipes():
    """Give the recipes by their titles: a section has a program and what it prints."""
    found = {}
    for title, text in SECTION.findall(PAGE.read_text(encoding="utf-8")):
        ((code, printed),) = PROGRAM.findall(text)
        found[title] = Recipe(title, code, printed)
    return found


def run(recipe):
    """Run a program in this process, and give its variables."""
    variables = {"__name__": "recipe"}
    exec(compile(recipe.code, f"{PAGE.name}: {recipe.title}", "exec"), variables)
    return variables
