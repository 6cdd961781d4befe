"""The programs of a page of the documentation, as they stand there."""

import re
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
SECTION = re.compile(r"^## ([^\n]*)\n(.*?)(?=^## |\Z)", re.M | re.S)
PROGRAM = re.compile(r"^```python\n(.*?)^```\n\n^```\n(.*?)^```$", re.M | re.S)
NUMBER = re.compile(r"-?\d+(\.\d+)?")


@dataclass(frozen=True)
class Program:
    """A program, and what it prints."""

    title: str
    code: str
    printed: str


def programs(page):
    """Give the programs of a page, under the titles of their sections."""
    text = (DOCS / page).read_text(encoding="utf-8")
    found = [
        Program(title, code, printed)
        for title, section in SECTION.findall(text)
        for code, printed in PROGRAM.findall(section)
    ]
    assert text.count("```python") == len(found), "a program without what it prints"
    return found


def run(program, names=None):
    """Run a program in this process, and give its variables."""
    names = {"__name__": "recipe"} if names is None else names
    exec(compile(program.code, f"docs: {program.title}", "exec"), names)
    return names


def shape_of(printed):
    """What is printed, without its numbers, whose last digits are the machine's."""
    return NUMBER.sub("#", printed).split()
