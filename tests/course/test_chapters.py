"""Every chapter is there, is clean, runs without a head, and asks no other host."""

import ast
import re
import subprocess
import sys
import time
from functools import cache

import marimo as mo
import pytest

from gradatim.course import CHAPTERS, find_chapter, widgets
from gradatim.course.exercise import EXERCISES
from gradatim.course.freeze import states_of
from gradatim.course.notebook import (
    load_app,
    notebook_cells,
    notebook_source,
    write_notebook,
)
from gradatim.errors import ConfigError

SLUGS = [chapter.slug for chapter in CHAPTERS]


def checked(paths):
    """What marimo says of notebooks."""
    command = [sys.executable, "-m", "marimo", "check", "--strict", *map(str, paths)]
    found = subprocess.run(command, capture_output=True, text=True)
    return found.returncode, found.stdout + found.stderr


@pytest.fixture(scope="module")
def check_of_all(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebooks")
    return checked([write_notebook(chapter, folder) for chapter in CHAPTERS])


@pytest.mark.parametrize("chapter", CHAPTERS, ids=SLUGS)
def test_marimo_finds_nothing_to_complain_of(chapter, check_of_all):
    status, told = check_of_all
    assert status == 0, told
    assert f"{chapter.slug}.py" not in told


def test_marimo_finds_what_is_wrong_in_the_last_of_many(tmp_path):
    paths = [write_notebook(chapter, tmp_path) for chapter in CHAPTERS]
    again = "@app.cell\ndef _():\n    widgets = 1\n    return (widgets,)\n\n\n"
    text = paths[-1].read_text().replace("if __name__", f"{again}if __name__")
    paths[-1].write_text(text)
    status, told = checked(paths)
    assert status != 0 and paths[-1].name in told


@cache
def ran(chapter):
    """A chapter as it opens: its app, outputs, definitions and processor seconds."""
    begin = time.process_time()
    app = load_app(chapter)
    outputs, defs = app.run()
    return app, outputs, defs, time.process_time() - begin


@pytest.mark.parametrize("chapter", CHAPTERS, ids=SLUGS)
def test_it_runs_without_a_head(chapter):
    _, outputs, defs, processor_s = ran(chapter)
    assert processor_s < 60  # on two threads
    assert len(outputs) >= 8 and "widgets" in defs


@pytest.mark.parametrize("chapter", CHAPTERS, ids=SLUGS)
def test_it_has_each_kind_of_part(chapter):
    source = notebook_source(chapter)
    assert f"widgets.beginning({chapter.number})" in source
    assert f"widgets.end({chapter.number})" in source
    for part in ("predict(", "verdict(", "breaks(", "exercise(", "checked("):
        assert f"widgets.{part}" in source, part
    assert set(re.findall(r'widgets\.exercise\("(\w+)"\)', source)) == set(
        chapter.exercises
    )
    assert re.search(
        r"(mo\.ui|widgets)\.(slider|dropdown|checkbox|switch|radio)", source
    )


def sections_of(chapter):
    """Give a chapter's sections: heading and what its cells are made of."""
    source = notebook_source(chapter)
    # The heading's number; then the text up to the next heading.
    found = re.split(r"## (\d+) · (.+)", source)
    return list(zip(found[1::3], found[2::3], found[3::3], strict=True))


@pytest.mark.parametrize("chapter", CHAPTERS, ids=SLUGS)
def test_each_section_asks_before_it_shows(chapter):
    sections = sections_of(chapter)
    assert [int(number) for number, _, _ in sections] == list(
        range(1, len(sections) + 1)
    )
    assert "Make it yourself" in sections[-1][1]
    for _, heading, cells in sections[:-1]:
        if heading.startswith("What to try next"):
            continue  # advice
        assert "widgets.predict(" in cells, heading
        assert "widgets.verdict(" in cells, heading
        shows = "widgets.after(" in cells or "widgets.breaks(" in cells
        assert shows, heading
        if "widgets.after(" in cells:
            assert cells.index("widgets.predict(") < cells.index("widgets.after("), (
                heading
            )


@pytest.mark.parametrize("chapter", CHAPTERS, ids=SLUGS)
def test_what_waits_is_there_once_a_choice_is_made(chapter):
    """Nothing that answers a question is on the page before; all of it is after."""
    app, outputs, _, _ = ran(chapter)
    with widgets.all_shown():
        shown, _ = app.run()
    source = notebook_source(chapter)
    waiting = source.count("widgets.after(")
    more = sum(
        len(str(mo.as_html(late).text)) > len(str(mo.as_html(early).text))
        for early, late in zip(outputs, shown, strict=True)
    )
    assert more == waiting > 0


@pytest.mark.parametrize("chapter", CHAPTERS, ids=SLUGS)
def test_its_cells_are_short_and_have_no_loops(chapter):
    """Logic is in gradatim; a cell of a question has a sentence for each choice."""
    tree = ast.parse(notebook_source(chapter))
    for cell in [n for n in tree.body if isinstance(n, ast.FunctionDef)]:
        assert not any(
            isinstance(node, (ast.For, ast.While)) for node in ast.walk(cell)
        )
        text = ast.unparse(cell)
        assert "manual_seed(" not in text.replace("torch.manual_seed(42)", "")
        if "widgets.verdict(" in text or "mo.md(" in text or "widgets.breaks(" in text:
            continue  # mostly words
        # Without the decorator, the head, and what is given back.
        assert len(text.splitlines()) - 3 <= 10, text


@pytest.mark.parametrize("chapter", CHAPTERS, ids=SLUGS)
def test_no_other_host_is_named(chapter):
    assert "://" not in chapter.path.read_text(encoding="utf-8")


def test_every_exercise_is_in_one_chapter():
    named = [name for chapter in CHAPTERS for name in chapter.exercises]
    assert sorted(named) == sorted(EXERCISES)
    for chapter in CHAPTERS:
        assert all(
            name.startswith(f"ex{chapter.number:02}_") for name in chapter.exercises
        )


def test_every_chapter_moves_when_it_is_frozen():
    for chapter in CHAPTERS:
        states = states_of(chapter)
        made = set().union(*(cell.defines for cell in notebook_cells(chapter)))
        assert states and set(states) <= made
        combinations = 1
        for values in states.values():
            combinations *= len(values)
        assert 2 <= combinations <= 40


def test_an_unknown_chapter_is_named():
    with pytest.raises(ConfigError, match="descent"):
        find_chapter("descend")
