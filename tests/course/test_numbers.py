"""What chapters compute is what the tutorial says."""

import importlib

import pytest

from gradatim.course import CHAPTERS


def defs_of(number, **given):
    chapter = CHAPTERS[number - 1]
    module = importlib.import_module(f"gradatim.course.chapters.{chapter.slug}")
    _, defs = module.app.run(defs=given) if given else module.app.run()
    return defs


def test_02_the_limit_and_the_way_down():
    defs = defs_of(2)
    assert defs["limit"] == pytest.approx(0.806, abs=1e-3)
    assert not defs["went"].diverged
