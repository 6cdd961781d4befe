"""The frozen course: small files without a request, whose main controls move."""

import json
import os
import re
from concurrent.futures import ProcessPoolExecutor

import pytest

from gradatim.course import CHAPTERS
from gradatim.course.freeze import _run_again, freeze, frozen_page, states_of
from gradatim.course.marimo_to_html import Control, plain_html
from gradatim.course.notebook import Cell
from tests.course.conftest import HOMES
from tests.warm import WARM, begin

NAMESPACES = ("http://www.w3.org/1998/Math/MathML", "http://www.w3.org/2000/svg")


def all_pages(home):
    """Make the pages of all chapters."""
    os.environ.update(dict.fromkeys(HOMES, home))
    return [frozen_page(chapter) for chapter in CHAPTERS]


@pytest.fixture(scope="module")
def page_of(home_of_marimo):
    """Give a chapter's page; all are made once, where no annotation is checked."""
    with ProcessPoolExecutor(1, mp_context=WARM, initializer=begin) as process:
        pages = process.submit(all_pages, str(home_of_marimo)).result()
    return dict(zip(CHAPTERS, pages, strict=True)).__getitem__


def data_of(text):
    return json.loads(re.search(r"const DATA = (\{.*\});\n", text)[1])


@pytest.mark.parametrize("chapter", CHAPTERS, ids=[c.slug for c in CHAPTERS])
def test_a_page_is_small_and_alone_and_its_controls_move_something(page_of, chapter):
    text = page_of(chapter)
    assert len(text.encode()) < 1_000_000
    told = text
    for each in NAMESPACES:
        told = told.replace(each, "")
    assert "://" not in told
    assert "<marimo-" not in text.replace("\\u003c", "<")
    assert "/open/" not in text and 'href="index.html"' in text
    data = data_of(text)
    groups = {tuple(group["names"]): group["states"] for group in data["groups"]}
    states = groups[tuple(states_of(chapter))]
    first = [str(values[0]) for values in states_of(chapter).values()]
    assert states["|".join(first)] == {}, "it opens with another state"
    for place, values in enumerate(states_of(chapter).values()):
        shown = set()
        for value in values:
            state = "|".join([*first[:place], str(value), *first[place + 1 :]])
            shown.add(json.dumps(states[state], sort_keys=True))
        assert len(shown) > 1, f"control {place} moves nothing"


def test_the_contents_lead_to_the_pages(page_of, tmp_path, monkeypatch):
    monkeypatch.setattr("gradatim.course.freeze.frozen_page", page_of)
    paths = freeze(tmp_path / "new" / "folder", CHAPTERS[1:3])
    assert [path.name for path in paths] == [
        "index.html",
        *(f"{chapter.slug}.html" for chapter in CHAPTERS[1:3]),
    ]
    text = paths[0].read_text(encoding="utf-8")
    assert all(f'href="{path.name}"' in text for path in paths[1:])
    text = paths[1].read_text(encoding="utf-8")
    assert 'href="ch01_problem.html"' in text and 'href="ch03_numpy.html"' in text


def test_two_runs_give_the_same_page(page_of):
    """In one process and in another."""
    assert frozen_page(CHAPTERS[1]) == page_of(CHAPTERS[1])


def test_only_the_cells_that_depend_on_a_control_run_again():
    cells = [
        Cell("control = 1\ncontrol"),
        Cell("_twice = 2 * control\ntwice = _twice\ntwice"),
        Cell("other = 1 / 0\nother"),
        Cell("def more():\n    return twice + other"),
        Cell("more()"),
    ]
    first = {"control": 1, "twice": 2, "other": 10, "more": None}
    ran = list(_run_again(cells, {"control": 3}, first))
    assert ran == [(1, 6), (3, None), (4, 16)]


def test_a_callout_and_an_accordion_become_html():
    html = (
        "<marimo-callout-output data-html='&quot;&lt;b&gt;x&lt;/b&gt;&quot;' "
        "data-kind='&quot;warn&quot;'></marimo-callout-output>"
    )
    assert plain_html(html, {}) == '<aside class="callout warn"><b>x</b></aside>'
    html = (
        "<marimo-accordion data-labels='[&quot;Hint&quot;]'><div><p>a</p></div>"
        "</marimo-accordion>"
    )
    told = "<details><summary>Hint</summary><div><p>a</p></div></details>"
    assert plain_html(html, {}) == told


def test_a_control_that_does_not_move_is_named():
    html = (
        "<marimo-ui-element object-id='7'><marimo-slider data-label='&quot;lr&quot;'>"
        "</marimo-slider></marimo-ui-element>"
    )
    assert plain_html(html, {}) == '<span class="still">lr</span>'
    control = Control(key="7", name="lr", kind="choice", values=[0.1, 0.01, 1.0])
    found = plain_html(html, {"7": control})
    assert 'type="range"' in found and 'value="1"' in found and "0.1</output>" in found


def test_a_formula_becomes_mathml():
    assert "<math" in plain_html("<marimo-tex>||(a + b x||)</marimo-tex>", {})
