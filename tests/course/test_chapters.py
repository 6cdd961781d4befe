"""Every chapter is there, is clean, runs without a head, and asks no other host."""

import importlib
import re
import subprocess
import sys
import time

import pytest

from gradatim.course import CHAPTERS, find_chapter
from gradatim.course.exercise import EXERCISES
from gradatim.course.states import STATES
from gradatim.errors import ConfigError

SLUGS = [chapter.slug for chapter in CHAPTERS]


@pytest.mark.parametrize("chapter", CHAPTERS, ids=SLUGS)
def test_marimo_finds_nothing_to_complain_of(chapter):
    command = [sys.executable, "-m", "marimo", "check", "--strict", str(chapter.path)]
    found = subprocess.run(command, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.parametrize("chapter", CHAPTERS, ids=SLUGS)
def test_it_runs_without_a_head(chapter):
    begin = time.monotonic()
    module = importlib.import_module(f"gradatim.course.chapters.{chapter.slug}")
    outputs, defs = module.app.run()
    assert time.monotonic() - begin < 30
    assert len(outputs) >= 8 and "parts" in defs


@pytest.mark.parametrize("chapter", CHAPTERS, ids=SLUGS)
def test_it_has_each_kind_of_part(chapter):
    source = chapter.path.read_text(encoding="utf-8")
    assert f"parts.beginning({chapter.number})" in source
    assert f"parts.end({chapter.number})" in source
    for part in ("predict(", "verdict(", "breaks(", "exercise(", "checked("):
        assert f"parts.{part}" in source, part
    assert set(re.findall(r'parts\.exercise\("(\w+)"\)', source)) == set(
        chapter.exercises
    )
    assert re.search(r"mo\.ui\.(slider|dropdown|checkbox|switch|radio)", source)


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
    assert set(STATES) == set(SLUGS)
    for states in STATES.values():
        combinations = 1
        for values in states.values():
            combinations *= len(values)
        assert 2 <= combinations <= 40


def test_an_unknown_chapter_is_named():
    with pytest.raises(ConfigError, match="descent"):
        find_chapter("descend")
