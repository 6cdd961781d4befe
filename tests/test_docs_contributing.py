"""CONTRIBUTING.md says of every folder what it holds, and names what exists."""

import re
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.test_docs_inside import exists, files, section, spans

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text()
TREE = re.search(r"^```\n(.*?)^```$", section("The tree", TEXT), re.M | re.S)[1]
NOT_GLOSSED = {".gitignore", ".pre-commit-config.yaml"}
"""Hidden files at the top: the text names those that somebody needs."""


def glosses(tree):
    """Give the gloss of each line of the tree, by its path from the root."""
    found, above = {}, []
    for line in tree.splitlines():
        indent = (len(line) - len(line.lstrip())) // 2
        name, _, gloss = line.strip().partition(" ")
        above = [*above[:indent], name]
        found["".join(above)] = gloss.strip()
    return found


def folders_and_top_files(names):
    """Give what needs a line: files at the top, and folders at any depth of them."""
    found = set()
    for name in names:
        *folders, file = name.split("/")
        if folders[:2] == ["src", "gradatim"]:
            found.update(
                "/".join(folders[:end]) + "/" for end in range(2, len(folders) + 1)
            )
            if len(folders) == 2:
                found.add(f"src/gradatim/{file}")
        elif folders[:1] == ["tests"]:
            found.add("tests/")
            if len(folders) > 1 and folders[1] not in mirrored():
                found.add(f"tests/{folders[1]}/")
        else:
            found.add(f"{folders[0]}/" if folders else file)
    return found - NOT_GLOSSED


def mirrored():
    return {path.name for path in (ROOT / "src" / "gradatim").iterdir()}


def without_a_gloss(names, tree=TREE):
    lines = glosses(tree)
    return {
        path
        for path in folders_and_top_files(names)
        if not any(fnmatch(path, line) for line in lines)
    }


def test_every_folder_and_top_level_file_has_a_line():
    assert without_a_gloss(files()) == set()


@pytest.mark.parametrize("line", sorted(glosses(TREE)))
def test_every_line_is_of_something_that_is_there(line):
    folders = {f"{name.rpartition('/')[0]}/" for name in files()}
    above = {f"{f[: i + 1]}" for f in folders for i, c in enumerate(f) if c == "/"}
    assert any(fnmatch(path, line) for path in files() | above), line
    assert glosses(TREE)[line] or line == "src/gradatim/", line


@pytest.mark.parametrize(
    "name",
    [
        "src/gradatim/newroom/thing.py",
        "src/gradatim/new_file.py",
        "src/gradatim/tables/newroom/thing.py",
        "tests/newroom/test_thing.py",
        "newroom/thing.py",
        "NEW.md",
    ],
)
def test_what_has_no_line_is_seen(name):
    assert without_a_gloss({*files(), name})


def test_a_new_chapter_has_its_line():
    assert not without_a_gloss({"src/gradatim/course/ch17_new/chapter.md"})


def checked_spans():
    """Give the names of the page, but for what a recipe makes and for other tools."""
    of_others = ("NAME", "gt123", "ch17", "# sick", "@click", "pip install", "make")
    return [
        span
        for span in sorted(set(spans(TEXT)))
        if not any(word in span for word in of_others)
    ]


@pytest.mark.parametrize("span", checked_spans())
def test_what_is_named_exists(span):
    assert exists(span), span


@pytest.mark.parametrize("target", sorted(set(re.findall(r"make (\w[\w-]*)", TEXT))))
def test_every_make_target_exists(target):
    makefile = (ROOT / "Makefile").read_text()
    words = {"target", "targets"}
    assert target in words or re.search(rf"^{target}:", makefile, re.M), target


@pytest.mark.parametrize("path", re.findall(r"T='?([\w./]+)", TEXT))
def test_every_path_to_test_exists(path):
    assert (ROOT / path).exists(), path


@pytest.mark.parametrize(
    ("page", "title"), re.findall(r"\((docs/\w+\.md)#([\w-]+)\)", TEXT)
)
def test_every_link_leads_to_a_heading(page, title):
    headings = re.findall(r"^#+ (.*)$", (ROOT / page).read_text(), re.M)
    slugs = {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings}
    assert title in slugs


def test_there_are_five_recipes_of_five_lines():
    recipes = re.split(r"^\*\*Add ", section("Recipes", TEXT), flags=re.M)[1:]
    assert len(recipes) == 5
    for recipe in recipes:
        assert re.findall(r"^(\d)\. ", recipe, re.M) == ["1", "2", "3", "4", "5"]
