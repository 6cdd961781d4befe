"""The frozen course: small files without a request, whose main controls move."""

import json
import re

import pytest

from gradatim.course import CHAPTERS
from gradatim.course.freeze import freeze, frozen_page
from gradatim.course.plain import Control, plain
from gradatim.course.states import STATES


@pytest.fixture(scope="module")
def pages(tmp_path_factory, home_of_marimo):
    folder = tmp_path_factory.mktemp("frozen")
    return {path.name: path for path in freeze(folder)}


def data_of(path):
    text = path.read_text(encoding="utf-8")
    return json.loads(re.search(r"const DATA = (\{.*\});\n", text)[1])


def test_there_is_a_page_for_each_chapter(pages):
    names = ["index.html", *(f"{chapter.slug}.html" for chapter in CHAPTERS)]
    assert sorted(pages) == sorted(names)
    text = pages["index.html"].read_text(encoding="utf-8")
    assert all(f'href="{name}"' in text for name in names[1:])


@pytest.mark.parametrize("chapter", CHAPTERS, ids=[c.slug for c in CHAPTERS])
def test_a_page_is_small_and_alone(pages, chapter):
    path = pages[f"{chapter.slug}.html"]
    assert path.stat().st_size < 1_000_000
    text = path.read_text(encoding="utf-8")
    told = text.replace("http://www.w3.org/1998/Math/MathML", "").replace(
        "http://www.w3.org/2000/svg", ""
    )
    assert "://" not in told
    assert "<marimo-" not in text.replace("\\u003c", "<")


@pytest.mark.parametrize("chapter", CHAPTERS, ids=[c.slug for c in CHAPTERS])
def test_its_main_controls_move_something(pages, chapter):
    data = data_of(pages[f"{chapter.slug}.html"])
    groups = {tuple(group["names"]): group["states"] for group in data["groups"]}
    states = groups[tuple(STATES[chapter.slug])]
    moving = [changed for changed in states.values() if changed]
    assert len(moving) >= len(states) - 1 - len(states) // 3
    shown = {json.dumps(changed, sort_keys=True) for changed in states.values()}
    assert len(shown) > 1


def test_the_first_state_is_what_the_page_opens_with(pages):
    data = data_of(pages["ch02_descent.html"])
    (group,) = [g for g in data["groups"] if g["names"] == ["lr", "start"]]
    first = [str(values[0]) for values in STATES["ch02_descent"].values()]
    assert group["states"]["|".join(first)] == {}


def test_links_lead_to_files(pages):
    text = pages["ch02_descent.html"].read_text(encoding="utf-8")
    assert 'href="ch01_problem.html"' in text and 'href="ch03_numpy.html"' in text
    assert 'href="index.html"' in text and "/open/" not in text


def test_two_runs_give_the_same_page():
    chapter = CHAPTERS[1]
    assert frozen_page(chapter) == frozen_page(chapter)


def test_a_callout_and_an_accordion_become_html():
    html = (
        "<marimo-callout-output data-html='&quot;&lt;b&gt;x&lt;/b&gt;&quot;' "
        "data-kind='&quot;warn&quot;'></marimo-callout-output>"
    )
    assert plain(html, {}) == '<aside class="callout warn"><b>x</b></aside>'
    html = (
        "<marimo-accordion data-labels='[&quot;Hint&quot;]'><div><p>a</p></div>"
        "</marimo-accordion>"
    )
    told = "<details><summary>Hint</summary><div><p>a</p></div></details>"
    assert plain(html, {}) == told


def test_a_control_that_does_not_move_is_named():
    html = (
        "<marimo-ui-element object-id='7'><marimo-slider data-label='&quot;lr&quot;'>"
        "</marimo-slider></marimo-ui-element>"
    )
    assert plain(html, {}) == '<span class="still">lr</span>'
    control = Control(key="7", name="lr", kind="choice", values=[0.1, 0.01, 1.0])
    found = plain(html, {"7": control})
    assert 'type="range"' in found and 'value="1"' in found and "0.1</output>" in found


def test_a_formula_becomes_mathml():
    assert "<math" in plain("<marimo-tex>||(a + b x||)</marimo-tex>", {})
